import type { lookup } from 'node:dns'
import test from 'ava'
import { AddressGuard } from '../../../server/webhooks/address-guard.ts'
import { deliver } from '../../../server/webhooks/deliver.ts'
import { codeOf } from '../auth/code-of.ts'
import { receiver } from './receiver.ts'

const refuses = (guard: AddressGuard, url: string) => {
  try {
    guard.checkUrl(url)
    return false
  } catch {
    return true
  }
}

test('only addresses of the public internet are delivered to', (t) => {
  const guard = new AddressGuard()
  const inside = [
    ...['127.0.0.1', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254', '0.0.0.0'],
    ...[
      '100.64.0.1',
      '224.0.0.1',
      '255.255.255.255',
      '198.18.0.1',
      '192.0.0.8',
      '::',
      '::1',
      'fe80::1',
      'fc00::1',
    ],
    ...['fd12::1', 'ff02::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:10.0.0.1', '64:ff9b::7f00:1'],
    ...['2002:7f00:1::', '2001:db8::1', '2001::1', '::127.0.0.1', 'fe80::1%eth0', 'not an address', ''],
  ]
  for (const address of inside) t.false(guard.allows(address), address)
  for (const address of ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])
    t.true(guard.allows(address), address)
})

test('networks can be opened one by one', (t) => {
  const guard = new AddressGuard(['10.1.0.0/16', 'fd00::/8'])
  t.true(guard.allows('10.1.9.9') && guard.allows('fd12::1') && guard.allows('::ffff:10.1.0.1'))
  t.false(guard.allows('10.2.0.1') || guard.allows('127.0.0.1'))
  for (const network of ['10.1.0.0', 'x/8', '10.0.0.0/33', '10.0.0.0/-1', 'fd00::/129'])
    t.throws(() => new AddressGuard([network]), { message: /is not a network/ })
})

test('URLs in other forms, or to the inside, are refused', (t) => {
  const guard = new AddressGuard()
  const wrong = [
    ...[
      '',
      'hook',
      '/hook',
      'ftp://a.example/',
      'http://a.example/',
      'javascript:alert(1)',
      'file:///etc/passwd',
    ],
    ...['https://user:secret@a.example/', 'https://a.example/#x', `https://a.example/${'x'.repeat(2048)}`],
    ...[
      'https://127.0.0.1/',
      'https://2130706433/',
      'https://0x7f.1/',
      'https://[::1]/',
      'https://[::ffff:7f00:1]/',
    ],
    ...['https://localhost/', 'https://sub.localhost/', 'http://localhost/', 'http://127.0.0.1/'],
  ]
  for (const url of wrong) t.true(refuses(guard, url), url)
  t.is(guard.checkUrl('https://hooks.example/a?b=1').href, 'https://hooks.example/a?b=1')
  const local = new AddressGuard(['127.0.0.0/8'])
  for (const url of ['http://127.0.0.1:8080/', 'http://localhost/', 'https://localhost/'])
    t.false(refuses(local, url), url)
  t.true(refuses(local, 'http://10.0.0.1/'))
})

test('what counts is the address that is connected to', async (t) => {
  await using to = await receiver()
  const guard = new AddressGuard()
  const options = { guard, signal: AbortSignal.timeout(5000) }
  const post = (host: string) =>
    deliver({ url: new URL(`http://${host}:${to.port}/`), headers: {}, body: '{}' }, options)
  // As a name that pointed elsewhere when the webhook was made.
  for (const host of ['localhost', '127.0.0.1', '[::1]', '[::ffff:127.0.0.1]'])
    t.is(await codeOf(post(host)), '500 webhook_address', host)
  t.is(to.received.length, 0)
  const opened = { ...options, guard: new AddressGuard(['127.0.0.0/8', '::1/128']) }
  t.is(await deliver({ url: new URL(`http://localhost:${to.port}/`), headers: {}, body: '{}' }, opened), 204)
})

test('this machine is refused however it is spelled', (t) => {
  const guard = new AddressGuard()
  const spellings = [
    ...['127.0.0.1', '127.1', '127.0.1', '0x7f.0.0.1', '0x7f000001', '2130706433', '017700000001', '0177.1'],
    ...[
      '127.0.0.1.',
      '127.255.255.254',
      '%31%32%37.0.0.1',
      '\uff11\uff12\uff17.0.0.1',
      '0',
      '0.0.0.0',
      '[::]',
      '[::1]',
    ],
    ...[
      '[0:0:0:0:0:0:0:1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[0:0:0:0:0:ffff:7f00:0001]',
      '[::127.0.0.1]',
    ],
    ...[
      '[::ffff:0:7f00:1]',
      '[64:ff9b::127.0.0.1]',
      '[64:ff9b:1::7f00:1]',
      '[2002:7f00:1::]',
      '[2002:7f00:1::1]',
    ],
    ...[
      '[2001:0:7f00:1::]',
      '[fe80::1]',
      '[fec0::1]',
      '[fd00::1]',
      '[ff02::1]',
      '[100::1]',
      '[3fff::1]',
      '[5f00::1]',
    ],
    ...[
      'localhost',
      'LOCALHOST',
      'localhost.',
      'a.localhost',
      'a.localhost.',
      'loc\u00adalhost',
      '169.254.169.254',
    ],
  ]
  for (const host of spellings)
    for (const scheme of ['http', 'https'])
      t.true(refuses(guard, `${scheme}://${host}:9/`), `${scheme} ${host}`)
})

test('a name is asked for once, and what was checked is what is connected to', async (t) => {
  await using to = await receiver()
  const asked: string[] = []
  /** Answers with the first of these, then with the next, like an attacker who rebinds a name. */
  const resolving = (...answers: readonly string[]) =>
    ((
      name: string,
      _options: unknown,
      callback: (error: null, found: { address: string; family: number }[]) => void,
    ) => {
      asked.push(name)
      callback(null, [{ address: answers[Math.min(asked.length, answers.length) - 1]!, family: 4 }])
    }) as unknown as typeof lookup
  const send = (guard: AddressGuard) =>
    deliver(
      { url: new URL(`http://rebind.example:${to.port}/`), headers: {}, body: '{}' },
      { guard, signal: AbortSignal.timeout(5000) },
    )
  t.is(await send(new AddressGuard(['127.0.0.1/32'], resolving('127.0.0.1', '127.0.0.2'))), 204)
  t.deepEqual(asked, ['rebind.example'])
  asked.length = 0
  t.is(
    await codeOf(send(new AddressGuard(['127.0.0.2/32'], resolving('127.0.0.1', '127.0.0.2')))),
    '500 webhook_address',
  )
  t.deepEqual(asked, ['rebind.example'])
  t.is(to.received.length, 1)
})

test('what is refused tells an open port from a closed one by nothing', async (t) => {
  await using to = await receiver()
  const guard = new AddressGuard()
  const told = async (host: string, port: number) => {
    const url = new URL(`http://${host}:${port}/`)
    const error = await t.throwsAsync(
      deliver({ url, headers: {}, body: '{}' }, { guard, signal: AbortSignal.timeout(5000) }),
    )
    return error?.message
  }
  for (const host of ['localhost', '127.0.0.1', '[::1]']) {
    const [open, closed] = [await told(host, to.port), await told(host, 1)]
    t.is(open, closed)
    t.notRegex(open ?? '', /at 127|ECONN|:\d\d/)
  }
  t.is(to.received.length, 0)
})
