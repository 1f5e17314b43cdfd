import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { type ListeningReceiver, listen, RIST_SECRETS } from '../../support/rist-bench.ts'
import { freeUdpPorts } from '../../support/udp-ports.ts'
import { until } from '../../support/until.ts'

/** Other people's senders: `ristsender` of Debian's rist-tools, and ffmpeg's own `rist://`. */

const { passphrase, username, password } = RIST_SECRETS
const encrypted = `aes-type=256&secret=${passphrase}`
const authenticated = `${encrypted}&username=${username}&password=${password}`

const CLIP = [
  ...[
    '-hide_banner',
    '-loglevel',
    'error',
    '-nostdin',
    '-re',
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=640x360:rate=30',
  ],
  ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '15', '-pix_fmt', 'yuv420p'],
  ...['-b:v', '1M', '-f', 'mpegts'],
]

function start(program: string, args: readonly string[]): AsyncDisposable {
  const child: ChildProcess = spawn(program, args, { stdio: 'ignore' })
  const exited = once(child, 'exit')
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** `ristsender` over links to the receiver's ports, fed by ffmpeg through UDP. */
async function startRistSender(receiver: ListeningReceiver, query: string): Promise<AsyncDisposable> {
  const [input] = await freeUdpPorts(1)
  const links = receiver.ports.map(
    (port, index) => `rist://127.0.0.1:${port}?${query}&cname=modem-${index}&rtt-min=10`,
  )
  await using stack = new AsyncDisposableStack()
  stack.use(start('ristsender', ['-b', '200', '-i', `udp://127.0.0.1:${input}`, '-o', links.join(',')]))
  stack.use(start('ffmpeg', [...CLIP, `udp://127.0.0.1:${input}?pkt_size=1316`]))
  return stack.move()
}

const twoSeconds = (receiver: ListeningReceiver): Promise<unknown> =>
  until(() => receiver.stats.filter((stats) => stats.received > 50).length >= 2, 'two seconds of data')

test('ristsender over one link, with credentials', async (t) => {
  await using receiver = await listen(1)
  await using _sender = await startRistSender(receiver, `${authenticated}&weight=0`)
  await twoSeconds(receiver)
  t.is(receiver.stats.at(-1)!.quality, 100)
  t.true(receiver.chunks.every((chunk) => chunk[0] === 0x47 && chunk.length % 188 === 0))
})

test('ristsender duplicating on two links, with credentials', async (t) => {
  await using receiver = await listen(2)
  await using _sender = await startRistSender(receiver, `${authenticated}&weight=0`)
  await twoSeconds(receiver)
  const { quality, links, received } = receiver.stats.at(-1)!
  t.is(quality, 100)
  t.deepEqual(
    links.map((link) => [link.cname, link.alive]),
    [
      ['modem-0', true],
      ['modem-1', true],
    ],
  )
  t.true(links.every((link) => link.received > received * 0.7))
})

test('ristsender sharing two links, with credentials', async (t) => {
  await using receiver = await listen(2)
  await using _sender = await startRistSender(receiver, `${authenticated}&weight=100`)
  await twoSeconds(receiver)
  const { quality, links, received } = receiver.stats.at(-1)!
  t.is(quality, 100)
  t.true(links.every((link) => link.received > received * 0.3 && link.received < received * 0.7))
})

test('a sender with the passphrase but without credentials is refused', async (t) => {
  await using receiver = await listen(1)
  await using _sender = start('ffmpeg', [...CLIP, `rist://127.0.0.1:${receiver.ports[0]}?${encrypted}`])
  await until(() => receiver.reasons().includes('no_credentials'), 'the reason')
  t.deepEqual(receiver.reasons(), ['no_credentials'])
  t.is(receiver.chunks.length, 0)
})

test("ffmpeg's rist:// over one link, where the passphrase alone is accepted", async (t) => {
  await using receiver = await listen(1, { authentication: 'passphrase' })
  const [port] = receiver.ports
  await using _sender = start('ffmpeg', [...CLIP, `rist://127.0.0.1:${port}?${encrypted}&cname=ffmpeg`])
  await twoSeconds(receiver)
  t.is(receiver.stats.at(-1)!.quality, 100)
  t.is(receiver.stats.at(-1)!.links[0]?.cname, 'ffmpeg')
  t.deepEqual(receiver.rejections, [])
})

test("ffmpeg's rist:// with a passphrase but no AES type sends cleartext and is refused", async (t) => {
  await using receiver = await listen(1, { authentication: 'passphrase' })
  await using _sender = start('ffmpeg', [
    ...CLIP,
    `rist://127.0.0.1:${receiver.ports[0]}?secret=${passphrase}`,
  ])
  await until(() => receiver.reasons().includes('plaintext'), 'the reason')
  t.is(receiver.chunks.length, 0)
})
