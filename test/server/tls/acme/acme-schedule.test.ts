import test from 'ava'
import {
  acmeProblem,
  MOST_RETRY_AFTER_S,
  problemSchema,
  retryAfterSeconds,
  sentence,
} from '../../../../server/tls/acme/acme-problem.ts'
import {
  ACME_RULES,
  nextOrderAt,
  recentOrders,
  renewalAt,
  waitAfter,
} from '../../../../server/tls/acme/acme-schedule.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const NOW = Date.UTC(2026, 10, 30)
const facts = { renewAt: null, retryAt: null, orders: [] }
const inMs = (change: Partial<Parameters<typeof nextOrderAt>[0]>) =>
  nextOrderAt({ ...facts, ...change }, NOW, ACME_RULES) - NOW

const orders: readonly [string, Partial<Parameters<typeof nextOrderAt>[0]>, number][] = [
  ['no certificate: at once', {}, 0],
  ['a certificate: when its renewal is due', { renewAt: NOW + 30 * DAY }, 30 * DAY],
  ['an overdue renewal: at once', { renewAt: NOW - DAY }, 0],
  ['after a failure: not before its time', { retryAt: NOW + HOUR }, HOUR],
  ['a time further away than any wait comes from a wrong clock', { retryAt: NOW + 8 * DAY }, 0],
  ['three orders in an hour are enough', { orders: [NOW - 3000, NOW - 2000, NOW - 1000] }, HOUR - 3000],
  ['of four the last three count', { orders: [NOW - 4000, NOW - 3000, NOW - 2000, NOW - 1000] }, HOUR - 3000],
  ['two are not', { orders: [NOW - 2000, NOW - 1000] }, 0],
  ['orders of the future count as of now', { orders: [NOW + DAY, NOW + DAY, NOW + DAY] }, HOUR],
  [
    'ten orders in a day are enough',
    { orders: Array.from({ length: 10 }, (_, index) => NOW - DAY + HOUR * (index + 1)) },
    HOUR,
  ],
]

for (const [what, change, wanted] of orders) test(what, (t) => t.is(inMs(change), wanted))

test('orders of before yesterday are forgotten', (t) => {
  t.deepEqual(recentOrders([NOW - 2 * DAY, NOW - HOUR], NOW, ACME_RULES), [NOW - HOUR])
  t.is(recentOrders(Array(50).fill(NOW), NOW, ACME_RULES).length, ACME_RULES.ordersADay)
})

test('a renewal leaves weeks, and hubs do not come in step', (t) => {
  const [from, until] = [NOW, NOW + 90 * DAY]
  t.is(
    renewalAt(from, until, ACME_RULES, () => 0),
    NOW + 60 * DAY,
  )
  t.is(
    renewalAt(from, until, ACME_RULES, () => 1),
    NOW + 57 * DAY,
  )
})

test('waits grow, have a ceiling, and are never shorter than the CA asks', (t) => {
  const wait = (failures: number, unreachable: boolean, retryAfterSeconds?: number) =>
    waitAfter(failures, { unreachable, retryAfterSeconds }, ACME_RULES, () => 1)
  t.deepEqual(
    [1, 2, 3, 99].map((failures) => wait(failures, true)),
    [30_000, 60_000, 120_000, HOUR],
  )
  t.deepEqual(
    [1, 2, 3, 99].map((failures) => wait(failures, false)),
    [120_000, 360_000, 1_080_000, 12 * HOUR],
  )
  t.is(wait(1, true, 7200), 2 * HOUR)
  t.is(wait(1, false, 1), 120_000)
  t.is(wait(1, false, 10 ** 9), 7 * DAY)
})

test('Retry-After is read in both of its forms, and bounded', (t) => {
  const rows = [
    ['120', 120],
    [new Date(NOW + 90_000).toUTCString(), 90],
    [new Date(NOW - 90_000).toUTCString(), undefined],
    ['0', undefined],
    ['-5', undefined],
    ['soon', undefined],
    ['', undefined],
    ['99999999', MOST_RETRY_AFTER_S],
  ] as const
  for (const [header, seconds] of rows) t.is(retryAfterSeconds(header, NOW), seconds, header)
  t.is(retryAfterSeconds(undefined, NOW), undefined)
})

test('what a CA answers becomes a code that says what to do', (t) => {
  const of = (type: string, detail = 'why') =>
    problemSchema.parse({ type: `urn:ietf:params:acme:error:${type}`, detail })
  const rows = [
    [429, undefined, 'acme_rate_limited'],
    [400, of('rateLimited'), 'acme_rate_limited'],
    [400, of('accountDoesNotExist'), 'acme_account_unknown'],
    [401, of('unauthorized', 'account is deactivated'), 'acme_account_unknown'],
    [403, of('unauthorized', 'policy forbids it'), 'acme_refused'],
    [400, of('rejectedIdentifier'), 'acme_refused'],
    [403, of('externalAccountRequired'), 'acme_refused'],
    [404, undefined, 'acme_refused'],
    [503, of('serverInternal'), 'acme_unreachable'],
  ] as const
  for (const [status, problem, code] of rows) t.is(acmeProblem(status, undefined, problem, NOW).code, code)
  const long = acmeProblem(403, '60', of('rejectedIdentifier', `a\nb ${'x'.repeat(4000)}`), NOW)
  t.true(long.message.length < 700)
  t.false(long.message.includes('\n'))
  t.is(long.hints.retryAfterSeconds, 60)
})

/** Problem documents as CAs write them, and the words that the operator reads. */
for (const [what, document, says] of [
  ['as RFC 8555 has them', { type: 'urn:ietf:params:acme:error:dns', detail: 'NXDOMAIN' }, 'NXDOMAIN (dns)'],
  [
    'of a type of its own',
    { type: 'https://ca.example/limits', detail: 'no' },
    'no (https://ca.example/limits)',
  ],
  ['with nothing in them', {}, 'status 400 (about:blank)'],
  [
    'with another kind of detail',
    { type: 'urn:ietf:params:acme:error:caa', detail: { a: 1 } },
    'status 400 (caa)',
  ],
  [
    'with a problem for each name',
    {
      type: 'urn:ietf:params:acme:error:compound',
      detail: 'two names are refused',
      subproblems: [
        {
          type: 'urn:ietf:params:acme:error:caa',
          detail: 'CAA forbids it',
          identifier: { type: 'dns', value: 'a.example.com' },
        },
        { type: 'urn:ietf:params:acme:error:rejectedIdentifier' },
      ],
    },
    'two names are refused (compound); a.example.com: CAA forbids it (caa); no reason (rejectedIdentifier)',
  ],
  ['with subproblems that are none', { detail: 'why', subproblems: 'x' }, 'why (about:blank)'],
] as const)
  test(`problems ${what} are told`, (t) => {
    t.is(sentence(400, problemSchema.parse(document)), says)
  })

test('a CA that wants accounts from elsewhere is told apart, with what to do', (t) => {
  const problem = problemSchema.parse({
    type: 'urn:ietf:params:acme:error:externalAccountRequired',
    detail: 'No external account binding',
  })
  t.regex(acmeProblem(403, undefined, problem, NOW).message, /use another acme_directory/)
})
