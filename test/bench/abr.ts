import { setTimeout as delay } from 'node:timers/promises'
import { Chromium } from '../support/chromium.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { freeUdpPorts, startHub, type TestHubOptions } from '../support/hub.ts'
import { openImpairedLink } from '../support/impaired-link.ts'
import { type Reception, receiveBy, takeReceptions } from '../support/page-reception.ts'
import { type Bench, rounded } from './bench.ts'
import { openContractRig } from './contract-rig.ts'
import type { Progress } from './progress.ts'
import { renditionClip } from './rendition-clip.ts'

/** Of a field sender: what it is granted is split by pixels, and its IDRs come when they are asked for, or after 10 s. */
const FIELD_RENDITIONS = [
  { width: 320, height: 180, kbps: 280 },
  { width: 560, height: 314, kbps: 850 },
  { width: 1280, height: 720, kbps: 4450 },
]
const FIELD_KBPS = 6000
const FIELD_GOP_SECONDS = 10
/** Of somebody else's sender: a clip with an IDR in all of them every half second, and none when one is asked for. */
const CLIP_RENDITIONS = [
  { width: 320, height: 180, kbps: 270 },
  { width: 640, height: 360, kbps: 900 },
  { width: 1280, height: 720, kbps: 4800 },
]
/** Sound and what RTP adds, kb/s. */
const BESIDE_KBPS = 75
const STEPS_KBPS = [6000, 1200, 400, 6000]
/** At last a link that the field sender's middle rendition fills to nine tenths, after one that carries only the lowest. */
const TIGHT_KBPS = [400, 1030]
const STEP_SECONDS = 15
/** The estimate starts low on purpose: what is measured begins when it has found the link. */
const SETTLE_SECONDS = 10
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

interface Rendition {
  readonly height: number
  readonly kbps: number
}

/** A real browser watches a stream of three renditions over a link whose capacity changes. */
export const abr: Bench = {
  about: 'layers of a viewer whose link changes: 6, 1.2, 0.4, 6 Mb/s',
  async run({ progress, seconds = STEP_SECONDS }) {
    const field = await watchFieldSender(progress, seconds)
    const other = await watchOtherSender(progress, seconds)
    return { bench: 'abr', ...field, without_control: other }
  },
}

/** A sender as the demo's are: it hears which rendition is needed, and that an IDR is. */
async function watchFieldSender(progress: Progress, seconds: number) {
  const [rtcPort] = await freeUdpPorts(1)
  await using chromium = await Chromium.launch()
  await using rig = await openContractRig({
    hub: hubOptions(rtcPort!),
    card: { gopSeconds: FIELD_GOP_SECONDS, renditions: FIELD_RENDITIONS.slice(0, -1).map(sizeOf) },
    grantedKbps: FIELD_KBPS,
  })
  const seen = await watchSteps(
    { chromium, url: rig.url, rtcPort: rtcPort!, renditions: FIELD_RENDITIONS },
    [...STEPS_KBPS, ...TIGHT_KBPS],
    (kbps) => progress.say(`a field sender, ${kbps} kb/s`),
    seconds,
  )
  const steps = seen.slice(0, STEPS_KBPS.length)
  return { steps, freezes_ms: frozen(steps), tight: seen.at(-1)! }
}

/** A sender with a port set of the configuration and no control channel. */
async function watchOtherSender(progress: Progress, seconds: number) {
  const length = (STEPS_KBPS.length + 1) * seconds + 2 * SETTLE_SECONDS
  progress.say('making the clip')
  const path = await renditionClip(CLIP_RENDITIONS, Math.ceil(length / 30) * 30)
  const [rtcPort] = await freeUdpPorts(1)
  await using hub = await startHub([{ streamId: 'bench' }], hubOptions(rtcPort!))
  await using chromium = await Chromium.launch()
  await using _sender = await startClipSender(hub.streams.get('bench')!, { path })
  const steps = await watchSteps(
    { chromium, url: `${hub.url}/watch/bench`, rtcPort: rtcPort!, renditions: CLIP_RENDITIONS },
    STEPS_KBPS,
    (kbps) => progress.say(`somebody else's sender, ${kbps} kb/s`),
    seconds,
  )
  return { steps, freezes_ms: frozen(steps) }
}

interface Watched {
  readonly chromium: Chromium
  /** The viewer page. */
  readonly url: string
  /** Where the hub sends media from. */
  readonly rtcPort: number
  readonly renditions: readonly Rendition[]
}

async function watchSteps(
  { chromium, url, rtcPort, renditions }: Watched,
  ratesKbps: readonly number[],
  say: (kbps: number) => void,
  seconds: number,
): Promise<Step[]> {
  const impairment = (rateKbps: number) => ({
    forward: { delayMs: DELAY_MS },
    backward: { delayMs: DELAY_MS, rateKbps, queueMs: (QUEUE_BYTES * 8) / rateKbps },
  })
  await using link = await openImpairedLink({ targetPort: rtcPort, ...impairment(ratesKbps[0]!) })
  await using watched = await chromium.open('about:blank')
  await receiveBy(watched.page, link.port)
  await watched.page.goto(url)
  await watched.page.waitForFunction(() => (document.querySelector('video')?.videoWidth ?? 0) > 0)
  await delay(SETTLE_SECONDS * 1000)
  const steps: Step[] = []
  for (const kbps of ratesKbps) {
    say(kbps)
    await takeReceptions(watched.page)
    const from = Date.now()
    await link.set(impairment(kbps))
    await delay(seconds * 1000)
    steps.push(stepOf(kbps, from, await takeReceptions(watched.page), renditions))
  }
  return steps
}

function frozen(steps: readonly Step[]): number {
  return steps.reduce((sum, step) => sum + step.freezes_ms, 0)
}

function hubOptions(rtcPort: number): TestHubOptions {
  return { logLevel: 'warn', workers: 1, args: ['--rtc-port', String(rtcPort)] }
}

function sizeOf({ width, height }: { width: number; height: number }) {
  return { width, height }
}

function stepOf(
  kbps: number,
  from: number,
  seen: readonly Reception[],
  renditions: readonly Rendition[],
): Step {
  const last = seen.at(-1)!
  const settledAt = seen[seen.findLastIndex(({ height }) => height !== last.height) + 1]!
  const best = renditions.findLast((rendition) => rendition.kbps + BESIDE_KBPS <= kbps * 0.9)!
  const receivedKbps = ((last.bytes - settledAt.bytes) * 8) / Math.max(1, last.at - settledAt.at)
  return {
    kbps,
    settle_ms: last.height === best.height ? Math.max(0, rounded(settledAt.at - from, 0)) : null,
    utilisation: rounded(receivedKbps / kbps, 2),
    freezes_ms: rounded(last.freezesMs - seen[0]!.freezesMs, 0),
  }
}
