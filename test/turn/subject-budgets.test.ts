import test from 'ava'
import { METHOD } from '../../common/stun/stun-types.ts'
import {
  ALLOCATE_POINTS,
  POINTS_AT_ONCE,
  POINTS_PER_SECOND,
  SubjectBudgets,
} from '../../turn/subject-budgets.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { codeOf, TurnClient, udpTransport } from '../support/turn-client.ts'
import { LIMITS, turnStart, turnUser } from '../support/turn-rig.ts'

test('a holder has so many requests at once, and as many again as time passes', (t) => {
  const budgets = new SubjectBudgets()
  const take = (method: number, atMs: number, subject = 'acme/alice') => budgets.take(subject, method, atMs)
  const allocates = POINTS_AT_ONCE / ALLOCATE_POINTS
  for (let count = 0; count < allocates; count += 1) t.true(take(METHOD.allocate, 0))
  t.false(take(METHOD.refresh, 0))
  t.true(take(METHOD.refresh, 0, 'acme/bob'), 'nobody pays for another one')
  t.false(take(METHOD.allocate, (1000 / POINTS_PER_SECOND) * (ALLOCATE_POINTS - 1)))
  t.true(take(METHOD.allocate, (1000 / POINTS_PER_SECOND) * ALLOCATE_POINTS))
})

test('what is full again is not kept, and what is not is', (t) => {
  const budgets = new SubjectBudgets()
  for (const subject of ['acme/a', 'acme/b', 'constructor']) budgets.take(subject, METHOD.refresh, 0)
  while (budgets.take('acme/c', METHOD.allocate, 5000));
  budgets.forget(10_000)
  t.is(budgets.size, 1)
  t.false(budgets.take('acme/c', METHOD.allocate, 5001))
  budgets.forget(20_000)
  t.is(budgets.size, 0)
})

test('who allocates and gives back without end is stopped, by whichever contracts, and others are not', async (t) => {
  const time = { nowMs: 1000 }
  const clock = { nowMs: () => time.nowMs, wallMs: () => Date.now() }
  await using server = await TurnServer.open(turnStart(), clock)
  await using client = await TurnClient.udp(server.bound.udp[0]!, turnUser())
  await client.challenge()
  let cycles = 0
  const cycle = () =>
    client.as(turnUser({ contract: `c${cycles % 7}` }), async () => {
      const code = codeOf(await client.request(METHOD.allocate, udpTransport))
      return code === 0 ? codeOf(await client.refresh(0)) : code
    })
  while ((await cycle()) === 0) cycles += 1
  t.is(cycles, Math.floor(POINTS_AT_ONCE / (ALLOCATE_POINTS + 1)))
  t.is(await cycle(), 486)
  t.like(server.refusals()[0], { reason: 'rate', username_tenant: 'acme', client: '127.0.0.1' })
  await using other = await TurnClient.udp(server.bound.udp[0]!, turnUser({ subject: 'user:bob' }))
  await t.notThrowsAsync(other.allocate())
  time.nowMs += 1000
  await t.notThrowsAsync(client.allocate(), 'a second later it may again')
})

test('one viewer with many contracts leaves the rest of the tenant to others', async (t) => {
  const limits = { ...LIMITS, allocations_per_user: 2, allocations_per_subject: 3, allocations_per_tenant: 5 }
  await using server = await TurnServer.open(turnStart({ limits }))
  await using stack = new AsyncDisposableStack()
  const allocate = async (contract: string, subject: string): Promise<string> => {
    const client = stack.use(await TurnClient.udp(server.bound.udp[0]!, turnUser({ contract, subject })))
    return client.allocate().then(
      () => 'allocated',
      (error: Error) => error.message,
    )
  }
  const greedy: string[] = []
  for (const contract of ['a', 'a', 'a', 'b', 'b', 'c']) greedy.push(await allocate(contract, 'user:greedy'))
  const refused = 'allocate: 486'
  t.deepEqual(greedy, ['allocated', 'allocated', refused, 'allocated', refused, refused])
  t.is(await allocate('d', '192.0.2.1'), 'allocated')
  t.is(await allocate('e', '192.0.2.2'), 'allocated')
  t.is(await allocate('f', '192.0.2.3'), refused)
  t.deepEqual(server.report().quota_refused, { user: 1, subject: 2, tenant: 1, address: 0, total: 0 })
})
