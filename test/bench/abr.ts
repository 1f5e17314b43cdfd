import { setTimeout as delay } from 'node:timers/promises'
import { Chromium } from '../support/chromium.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { freeUdpPorts, startHub } from '../support/hub.ts'
import { openImpairedLink } from '../support/impaired-link.ts'
import { type Reception, receiveBy, takeReceptions } from '../support/page-reception.ts'
import { type Bench, rounded } from './bench.ts'
import { renditionClip } from './rendition-clip.ts'

const RENDITIONS = [
  { width: 320, height: 180, kbps: 270 },
  { width: 640, height: 360, kbps: 900 },
  { width: 1280, height: 720, kbps: 4800 },
]
/** Sound and what RTP adds, kb/s. */
const BESIDE_KBPS = 75
const STEPS_KBPS = [6000, 1200, 400, 6000]
const STEP_SECONDS = 15
/** Of the viewer's link: delay each way, ms, and what its queue holds, whatever its rate: 100 full packets, bytes. */
const DELAY_MS = 20
const QUEUE_BYTES = 150_000

interface Step {
  readonly kbps: number
  /** From the change of the link until the picture has the size that it keeps; null where that is not the best that fits. */
  readonly settle_ms: number | null
  readonly utilisation: number
  readonly freezes_ms: number
}

/** A real browser watches a stream of three renditions over a link whose capacity changes. */
export const abr: Bench = {
  about: 'layers of a viewer whose link changes: 6, 1.2, 0.4, 6 Mb/s',
  async run({ progress, seconds = STEP_SECONDS }) {
    const length = (STEPS_KBPS.length + 1) * seconds + 20
    progress.say('making the clip')
    const path = await renditionClip(RENDITIONS, Math.ceil(length / 30) * 30)
    const [rtcPort] = await freeUdpPorts(1)
    await using hub = await startHub([{ streamId: 'bench' }], {
      logLevel: 'warn',
      workers: 1,
      args: ['--rtc-port', String(rtcPort)],
    })
    const impairment = (rateKbps: number) => ({
      forward: { delayMs: DELAY_MS },
      backward: { delayMs: DELAY_MS, rateKbps, queueMs: (QUEUE_BYTES * 8) / rateKbps },
    })
    await using link = await openImpairedLink({ targetPort: rtcPort!, ...impairment(STEPS_KBPS[0]!) })
    await using chromium = await Chromium.launch()
    await using _sender = await startClipSender(hub.streams.get('bench')!, { path })
    await using watched = await chromium.open('about:blank')
    await receiveBy(watched.page, link.port)
    await watched.page.goto(`${hub.url}/watch/bench`)
    await watched.page.waitForFunction(() => (document.querySelector('video')?.videoWidth ?? 0) > 0)
    // The estimate starts low on purpose: what is measured begins when it has found the link.
    await delay(10_000)
    const steps: Step[] = []
    for (const kbps of STEPS_KBPS) {
      progress.say(`${kbps} kb/s`)
      await takeReceptions(watched.page)
      const from = Date.now()
      await link.set(impairment(kbps))
      await delay(seconds * 1000)
      steps.push(stepOf(kbps, from, await takeReceptions(watched.page)))
    }
    return { bench: 'abr', steps, freezes_ms: steps.reduce((sum, step) => sum + step.freezes_ms, 0) }
  },
}

function stepOf(kbps: number, from: number, seen: readonly Reception[]): Step {
  const last = seen.at(-1)!
  const settledAt = seen[seen.findLastIndex(({ height }) => height !== last.height) + 1]!
  const best = RENDITIONS.findLast((rendition) => rendition.kbps + BESIDE_KBPS <= kbps * 0.9)!
  const receivedKbps = ((last.bytes - settledAt.bytes) * 8) / Math.max(1, last.at - settledAt.at)
  return {
    kbps,
    settle_ms: last.height === best.height ? Math.max(0, rounded(settledAt.at - from, 0)) : null,
    utilisation: rounded(receivedKbps / kbps, 2),
    freezes_ms: rounded(last.freezesMs - seen[0]!.freezesMs, 0),
  }
}
