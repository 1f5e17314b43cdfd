import { createSocket } from 'node:dgram'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { ChildWatch } from '../../../common/supervision/child-watch.ts'
import { StartGate } from '../../../common/supervision/start-gate.ts'
import { IngressSupervisor } from '../../../sfu/ingress/ingress-supervisor.ts'
import { KEEPALIVE, knock } from '../../support/knock.ts'
import { RIST_SECRETS, sendCounting } from '../../support/rist-bench.ts'
import { freeUdpPorts } from '../../support/udp-ports.ts'
import { until } from '../../support/until.ts'

/** Longer than an ingress may be silent. */
const STANDSTILL_MS = 4000

/** A supervised ingress process of a stream that nobody sends. */
async function openIngress(awaitsKnock = false, onPort: (port: number) => unknown = () => {}) {
  const stack = new AsyncDisposableStack()
  const [link, rtp] = await freeUdpPorts(2)
  const { passphrase, aesBits, username, password } = RIST_SECRETS
  await onPort(link!)
  const heard: string[] = []
  const deaths: string[] = []
  const retired: number[] = []
  const ports: (string | null)[] = []
  const ingress = stack.use(
    new IngressSupervisor(
      {
        streamId: 'cam-1',
        input: () => ({
          address: '127.0.0.1',
          links: [{ port: link! }],
          authentication: 'srp',
          passphrase,
          aes_bits: aesBits,
          username,
          password,
          buffer: { start_ms: 50, min_ms: 50, max_ms: 50, rtt_multiple: 4 },
        }),
        rtpPort: rtp!,
        awaitsKnock,
      },
      {
        message: ({ type }) => heard.push(type),
        died: (how) => deaths.push(how),
        retired: () => retired.push(performance.now()),
        portsTaken: (why) => ports.push(why),
      },
      { watch: stack.use(new ChildWatch()), gate: new StartGate() },
      createLogger('fatal'),
    ),
  )
  return {
    ingress,
    port: link!,
    heard,
    deaths,
    retired,
    ports,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Stands still where a timer that is due meanwhile comes before what waits to be read. */
function standStill(): Promise<void> {
  return new Promise((resolve) =>
    setImmediate(() => {
      for (const end = performance.now() + STANDSTILL_MS; performance.now() < end; );
      resolve()
    }),
  )
}

test('an ingress ends neither with a hub that stood still nor by a signal to the group; a hanging ingress is ended', async (t) => {
  await using open = await openIngress()
  await until(() => open.heard.includes('cursors'), 'it speaks')
  const { pid } = open.ingress
  await standStill()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.kill(pid!, signal)
  const before = open.heard.length
  await until(() => open.heard.length > before + 20, 'it goes on speaking')
  t.deepEqual(open.deaths, [])
  t.is(open.ingress.pid, pid)

  process.kill(pid!, 'SIGSTOP')
  await until(() => open.deaths.length === 1, 'it is ended')
  t.deepEqual(open.deaths, ['SIGKILL'])
  await until(() => open.ingress.pid !== undefined && open.ingress.pid !== pid, 'its successor')
})

test('no process runs before a sender knocks, nor for long after a knock that nobody stands behind', async (t) => {
  await using open = await openIngress(true)
  t.is(open.ingress.pid, undefined)
  await knock([open.port])
  await until(() => open.heard.includes('ready'), 'the process listens')
  const { pid } = open.ingress
  t.truthy(pid)
  // Somebody goes on knocking, and never proves anything.
  const socket = createSocket('udp4')
  const knocking = setInterval(() => socket.send(KEEPALIVE, open.port, '127.0.0.1'), 100)
  const knockedAt = performance.now()
  await until(() => open.retired.length === 1, 'the process is ended', 30_000)
  t.log(`ended ${Math.round(performance.now() - knockedAt)} ms after the knock`)
  // Its knocks go unanswered from now on; the sender comes from another port.
  await delay(1500)
  t.is(open.ingress.pid, undefined)
  clearInterval(knocking)
  await new Promise((resolve) => socket.close(() => resolve(null)))
  // The sender itself.
  await using _sender = await sendCounting([open.port])
  await until(() => open.heard.includes('flow'), 'its data')
  t.deepEqual(open.deaths, [])
})

test('a sender whose ingress dies does not have to knock again', async (t) => {
  await using open = await openIngress(true)
  await using _sender = await sendCounting([open.port])
  const sentAt = performance.now()
  await until(() => open.heard.includes('flow'), 'its data')
  t.log(`data ${Math.round(performance.now() - sentAt)} ms after the sender was there`)
  const { pid } = open.ingress
  process.kill(pid!, 'SIGKILL')
  await until(() => open.ingress.pid !== undefined && open.ingress.pid !== pid, 'its successor')
  t.deepEqual(open.deaths, ['SIGKILL'])
  t.deepEqual(open.retired, [])
})

test('ports that another program has are told once, and had as soon as they are there again', async (t) => {
  const other = createSocket('udp4')
  await using open = await openIngress(
    true,
    (port) => new Promise<void>((resolve) => other.bind(port, '127.0.0.1', resolve)),
  )
  await until(() => open.ports.length > 0, 'it is told')
  // Some tries later.
  await delay(500)
  t.is(open.ports.length, 1)
  t.regex(open.ports[0] ?? '', new RegExp(`UDP port ${open.port} .*another program has it`))
  await new Promise((resolve) => other.close(() => resolve(null)))
  await until(() => open.ports.length === 2, 'the ports are there again')
  t.is(open.ports[1], null)
  await knock([open.port])
  await until(() => open.heard.includes('ready'), 'the process listens')
  t.deepEqual(open.deaths, [])
})
