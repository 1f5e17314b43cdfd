import { setTimeout as delay } from 'node:timers/promises'
import { cardClip } from '../../support/card-clip.ts'
import { startClipSender } from '../../support/clip-sender.ts'
import { percentile } from '../../support/frame-reader.ts'
import type { TestStream } from '../../support/hub.ts'
import { type ShownPicture, watchInputs } from '../../support/input-watch.ts'
import { switchProcesses } from '../../support/switch-processes.ts'
import { until } from '../../support/until.ts'
import { rounded } from '../bench.ts'
import { rssMb, usageOf } from '../process-usage.ts'
import { isLive, type SwitchRig } from './rig.ts'

/**
 * What the lane carries: one stream on air, one ready, both with all of their bitrate. The pictures are small, because the
 * browser decodes and paints them twice on the cores that are measured.
 */
const CLIP = { width: 640, height: 360, kbps: 6000, noise: true, seconds: 40 } as const
export const HEAVY = ['heavy-a', 'heavy-b'] as const
export const HEAVY_STREAMS: readonly TestStream[] = HEAVY.map((streamId) => ({ streamId, links: 1 }))
/** V8 compiles most of a process in its first seconds. */
const WARM_UP_MS = 15_000
const MEASURED_MS = 15_000

export interface Cost {
  /** CPU of the switch process alone. */
  readonly cpu_cores_per_lane: number
  /** Resident, with all of Node's own code, which every process of Node shares. */
  readonly rss_mb_per_lane: number
  /** The same with shared pages by their share: what one more lane takes. */
  readonly pss_mb_per_lane: number
  readonly added_latency_p50_ms: number
  readonly added_latency_p95_ms: number
}

/**
 * What a lane costs, and how much later its pictures are than those of its input: by the moment when the browser got the
 * last packet of the same picture, both watched on one page.
 */
export async function cost(
  rig: SwitchRig,
  openProgram: () => Promise<string>,
  say: (what: string) => void,
): Promise<Cost> {
  await using stack = new AsyncDisposableStack()
  say('cost: making clips')
  for (const name of HEAVY) {
    const path = await cardClip({ ...CLIP, name })
    stack.use(await startClipSender(rig.hub.streams.get(name)!, { path, stamped: true, repeat: true }))
    await until(() => isLive(rig.hub, name), `${name} is live`)
  }
  const before = new Set(switchProcesses(rig.hub.pid))
  const programId = await openProgram()
  const isNew = () => switchProcesses(rig.hub.pid).find((each) => !before.has(each))
  const pid = await until(isNew, 'the switch process')
  await until(() => isLive(rig.hub, programId), 'the program is live')
  say('cost: warming up')
  await delay(WARM_UP_MS)
  say('cost: CPU and memory')
  const { cores, pssMb } = await usageOf([pid], () => delay(MEASURED_MS))
  const resident = rssMb(pid)
  say('cost: latency')
  const added = await addedLatency(rig, HEAVY[0], programId)
  return {
    cpu_cores_per_lane: rounded(cores, 3),
    rss_mb_per_lane: rounded(resident, 1),
    pss_mb_per_lane: rounded(pssMb, 1),
    added_latency_p50_ms: rounded(percentile(added, 0.5), 2),
    added_latency_p95_ms: rounded(percentile(added, 0.95), 2),
  }
}

/** How much later each picture of the input came by the program, ms. */
async function addedLatency(rig: SwitchRig, input: string, programId: string): Promise<number[]> {
  await using watched = await rig.chromium.open(`${rig.hub.url}/watch/${input}+${programId}`)
  const { page } = watched
  const tile = (id: string) => `[data-testid="tile-${id}"] video`
  for (const id of [input, programId])
    await page.waitForFunction(
      (selector) => (document.querySelector<HTMLVideoElement>(selector)?.videoWidth ?? 0) > 0,
      tile(id),
    )
  await using direct = await watchInputs(page, HEAVY, tile(input))
  await using program = await watchInputs(page, HEAVY, tile(programId))
  await delay(3000)
  await Promise.all([direct.take(), program.take()])
  await delay(MEASURED_MS)
  const [one, other] = await Promise.all([direct.take(), program.take()])
  const arrivals = new Map(one.shown.map(({ number, receivedAt }) => [number, receivedAt]))
  const differences = other.shown.flatMap(({ number, receivedAt, input: name }: ShownPicture) => {
    const directAt = arrivals.get(number)
    return name === input && receivedAt !== null && directAt != null ? [receivedAt - directAt] : []
  })
  if (differences.length < 100) throw new Error(`only ${differences.length} pictures were seen on both`)
  return differences
}
