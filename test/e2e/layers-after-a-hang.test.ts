import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { startFieldSender } from '../support/field-sender.ts'
import { startHub } from '../support/hub.ts'
import { descendants, programOf } from '../support/processes.ts'
import { steps, TICKS_PER_MS } from '../support/rtp-timeline.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

/** Longer than any machine holds up a picture, and shorter than mediasoup takes to switch a layer on again, ms. */
const SILENCE_MS = 900

test('layers whose ingress hung are back once, and not switched off again as lossy', async (t) => {
  t.timeout(90_000)
  await using hub = await startHub([{ streamId: 'cam-1' }], { workers: 1 })
  const { ports, passphrase, username, password } = hub.streams.get('cam-1')!
  await using _sender = await startFieldSender({
    links: ports.map((port) => ({ host: '127.0.0.1', port })),
    bufferMs: 60,
    passphrase,
    username,
    password,
    card: { name: 'layers', renditions: 2, gopSeconds: 1 },
  })
  await using viewer = await WeriftViewer.open(hub.url, 'cam-1')
  const { packets } = await viewer.track('video')
  await until(() => packets.length > 200, 'pictures')
  const ingressPid = () => descendants(hub.pid).find((pid) => programOf(pid).includes('ingress-main')) ?? 0
  const pid = ingressPid()
  const from = packets.length
  process.kill(pid, 'SIGSTOP')
  await until(() => ingressPid() !== pid, 'its successor', 20_000)
  await until(() => packets.length > from + 100, 'pictures again', 20_000)
  await delay(3_000)
  const silences = steps(packets.slice(from - 1), TICKS_PER_MS.video).filter(
    ({ arrivalMs }) => arrivalMs > SILENCE_MS,
  )
  t.log(silences.map(({ arrivalMs }) => `silent ${Math.round(arrivalMs)} ms`))
  t.is(silences.length, 1)
})
