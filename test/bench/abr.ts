import { setTimeout as delay } from 'node:timers/promises'
import { Chromium } from '../support/chromium.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { startHub, type TestHubOptions } from '../support/hub.ts'
import { type Reception, takeReceptions } from '../support/page-reception.ts'
import { freeUdpPorts } from '../support/udp-ports.ts'
import { fallOften } from './abr-fall.ts'
import { type Watching, watchOverLink } from './abr-link.ts'
import { type Bench, rounded } from './bench.ts'
import { openContractRig } from './contract-rig.ts'
import type { Progress } from './progress.ts'
import { renditionClip } from './rendition-clip.ts'

/** Renditions of a field sender: its grant is split by pixels, and its IDRs come on request, or after 10 s. */
const FIELD_RENDITIONS = [
  { width: 320, height: 180, kbps: 280 },
  { width: 560, height: 314, kbps: 850 },
  { width: 1280, height: 720, kbps: 4450 },
]
const FIELD_KBPS = 6000
const FIELD_GOP_SECONDS = 10
/** Renditions of somebody else's sender: a clip with an IDR in all of them every half second, and none on request. */
const CLIP_RENDITIONS = [
  { width: 320, height: 180, kbps: 270 },
  { width: 640, height: 360, kbps: 900 },
  { width: 1280, height: 720, kbps: 4800 },
]
/** Sound and what RTP adds, kb/s. */
const BESIDE_KBPS = 75
const STEPS_KBPS = [6000, 1200, 400, 6000]
/** The last link, which the field sender's middle rendition fills to nine tenths, after a link for the lowest alone. */
const TIGHT_KBPS = [400, 1030]
const STEP_SECONDS = 15
/** A link falls at once from carrying the best rendition to carrying only the lowest, at a random moment. */
const FALL_TO_KBPS = 500
const FALLS = 8
/** Everything that repeats while the best layer is shown does so within this time, ms. */
const ANY_MOMENT_MS = 3_000
/** The estimate starts low on purpose: measuring begins when it has found the link. */
const SETTLE_SECONDS = 10

interface Step {
  readonly kbps: number
  /**
   * Time from the change of the link until the picture keeps its size; null where that size is not the best that fits.
   */
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
  about: 'layers of a viewer whose link changes: 6, 1.2, 0.4, 6 Mb/s; and falls from 6 to 0.5 Mb/s',
  async run({ progress, seconds = STEP_SECONDS }) {
    const field = await watchFieldSender(progress, seconds)
    const other = await watchOtherSender(progress, seconds)
    return { bench: 'abr', ...field, without_control: other }
  },
}

/** A sender like the demo's: it hears which rendition is needed, and when an IDR is. */
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
  const falls = await fallOften(
    { chromium, url: rig.url, rtcPort: rtcPort! },
    {
      fromKbps: STEPS_KBPS[0]!,
      toKbps: FALL_TO_KBPS,
      times: FALLS,
      lines: FIELD_RENDITIONS.at(-1)!.height,
      anyMomentOfMs: ANY_MOMENT_MS,
    },
    (fall) => progress.say(`a field sender, fall ${fall} of ${FALLS} to ${FALL_TO_KBPS} kb/s`),
  )
  return { steps, freezes_ms: frozen(steps), tight: seen.at(-1)!, falls }
}

/** A sender with fixed ports of the configuration and no control channel. */
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

interface Watched extends Watching {
  readonly renditions: readonly Rendition[]
}

async function watchSteps(
  { renditions, ...watching }: Watched,
  ratesKbps: readonly number[],
  say: (kbps: number) => void,
  seconds: number,
): Promise<Step[]> {
  await using watched = await watchOverLink(watching, ratesKbps[0]!)
  await delay(SETTLE_SECONDS * 1000)
  const steps: Step[] = []
  for (const kbps of ratesKbps) {
    say(kbps)
    await takeReceptions(watched.page)
    const from = Date.now()
    await watched.carries(kbps)
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
