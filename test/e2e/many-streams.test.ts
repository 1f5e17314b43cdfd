import { spawn } from 'node:child_process'
import test from 'ava'
import { startHub } from '../support/hub.ts'
import { knock } from '../support/knock.ts'
import { descendants, programOf } from '../support/processes.ts'
import { until } from '../support/until.ts'

const STREAMS = 45
const LOOPS = 4
const WITHIN_MS = 50_000

test('45 streams whose senders knock at once start beside four busy loops, and none is taken to hang', async (t) => {
  t.timeout(WITHIN_MS + 20_000)
  using stack = new DisposableStack()
  const loops = Array.from({ length: LOOPS }, () => spawn(process.execPath, ['-e', 'for (;;);']))
  for (const loop of loops) stack.defer(() => loop.kill('SIGKILL'))
  await using hub = await startHub(
    Array.from({ length: STREAMS }, (_, index) => ({ streamId: `cam-${index}`, links: 1 })),
    { workers: 1 },
  )
  const ready = () => hub.log.filter(({ msg }) => msg === 'ingress listens').length
  const ports = [...hub.streams.values()].flatMap((stream) => stream.ports)
  const ingressPids = () => descendants(hub.pid).filter((pid) => programOf(pid).includes('ingress-main'))
  t.deepEqual(ingressPids(), [], 'nobody knocked yet')
  const startedAt = performance.now()
  await knock(ports)
  await until(() => ready() >= STREAMS, 'all listen', WITHIN_MS)
  t.log(`all listen after ${Math.round(performance.now() - startedAt)} ms`)
  // On a slow machine the first processes have ended by now: nobody stands behind these knocks.
  const listened = hub.log.filter(({ msg }) => msg === 'ingress listens').map(({ stream_id }) => stream_id)
  t.is(new Set(listened).size, STREAMS)
  t.is(await hub.metric('service_restarts_total{service="ingress"}'), 0)
  t.deepEqual(
    hub.log.filter(({ level }) => level === 'error'),
    [],
  )
})
