import test from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { ChildWatch } from '../../../common/supervision/child-watch.ts'
import { StartGate } from '../../../common/supervision/start-gate.ts'
import { IngressSupervisor } from '../../../sfu/ingress/ingress-supervisor.ts'
import { RIST_SECRETS } from '../../support/rist-bench.ts'
import { freeUdpPorts } from '../../support/udp-ports.ts'
import { until } from '../../support/until.ts'

/** Longer than an ingress may be silent. */
const STANDSTILL_MS = 4000

/** A supervised ingress process of a stream that nobody sends. */
async function openIngress() {
  const stack = new AsyncDisposableStack()
  const [link, rtp] = await freeUdpPorts(2)
  const { passphrase, aesBits, username, password } = RIST_SECRETS
  const heard: string[] = []
  const deaths: string[] = []
  const ingress = stack.use(
    new IngressSupervisor(
      {
        streamId: 'cam-1',
        input: () => ({
          ...{ address: '127.0.0.1', links: [{ port: link! }], authentication: 'srp' },
          ...{ passphrase, aes_bits: aesBits, username, password },
          buffer: { start_ms: 50, min_ms: 50, max_ms: 50, rtt_multiple: 4 },
        }),
        rtpPort: rtp!,
        logLevel: 'fatal',
      },
      { message: ({ type }) => heard.push(type), died: (how) => deaths.push(how) },
      { watch: stack.use(new ChildWatch()), gate: new StartGate() },
      createLogger('fatal'),
    ),
  )
  return { ingress, heard, deaths, [Symbol.asyncDispose]: () => stack.disposeAsync() }
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

test('a hub that stood still ends no ingress for that; one that hangs is ended', async (t) => {
  await using open = await openIngress()
  await until(() => open.heard.includes('cursors'), 'it speaks')
  const { pid } = open.ingress
  await standStill()
  const before = open.heard.length
  await until(() => open.heard.length > before + 20, 'it goes on speaking')
  t.deepEqual(open.deaths, [])
  t.is(open.ingress.pid, pid)

  process.kill(pid!, 'SIGSTOP')
  await until(() => open.deaths.length === 1, 'it is ended')
  t.deepEqual(open.deaths, ['SIGKILL'])
  await until(() => open.ingress.pid !== undefined && open.ingress.pid !== pid, 'its successor')
})
