import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { cardClip } from '../../support/card-clip.ts'
import type { Impairment } from '../../support/impairment.ts'
import { steps, TICKS_PER_MS } from '../../support/rtp-timeline.ts'
import { openTwoPaths, PATHS } from '../../support/two-paths.ts'
import { until } from '../../support/until.ts'
import { type ReceivedTrack, WeriftViewer } from '../../support/werift-viewer.ts'
import { type CaseResult, repeat, undisturbed } from './case.ts'
import { CARD, isLive, type SwitchRig } from './rig.ts'

const CARD_NAME = 'encoder'
const FPS = 30
/** Longer than all runs: a clip that begins again is a cut. */
const CLIP_SECONDS = 180
/** Longer than the class's threshold, and short enough that librist takes the path for the same afterwards. */
const CUT_MS = 1500
const WATCHED_MS = 3000
/** The most that class `focus` allows. */
export const BUFFER_MS = 120
/** Each way. RIST has a few tries within its buffer, and each path alone loses pictures all the same. */
const LOSSY: Partial<Impairment> = { loss: 0.1, delayMs: 10 }
const LOSSY_MS = 4000

const status = z.object({ merged: z.array(z.string()) })

/**
 * Cuts of either path, and loss on both, while one encoder's pictures come by two paths.
 * @returns `lost_alone`: pictures that each path alone has lost while both lost packets
 */
export async function hitless(
  rig: SwitchRig,
  programId: string,
  say: (what: string) => void,
): Promise<{ cases: CaseResult[]; lost_alone: number[] }> {
  await using stack = new AsyncDisposableStack()
  const { width, height, videoKbps: kbps } = CARD
  say('hitless: making the clip')
  const path = await cardClip({ name: CARD_NAME, width, height, kbps, seconds: CLIP_SECONDS })
  const { links } = stack.use(
    await openTwoPaths(rig.hub, { path, streamClass: 'focus', bufferMs: BUFFER_MS }),
  )
  for (const each of PATHS) await until(() => isLive(rig.hub, each), `${each} is live`)
  const screen = await rig.screen(programId, [CARD_NAME])
  const untilMerged = () =>
    until(async () => {
      const answer = await rig.ask('GET', `/v1/programs/${programId}`, undefined, 200)
      return status.parse(answer).merged.length === PATHS.length
    }, 'the paths are merged')
  const runs = (name: string, happens: (run: number) => Promise<number>, watchedMs: number) =>
    repeat(name, say, async (run) => {
      await untilMerged()
      return undisturbed(screen, () => happens(run), watchedMs)
    })
  const cutLink = async (run: number): Promise<number> => {
    const link = links[run % 2]!
    const from = Date.now()
    await link.setBoth({ blackhole: true })
    setTimeout(() => void link.setBoth({}), CUT_MS)
    return from
  }
  const cut = await runs('hitless-cut', cutLink, WATCHED_MS)
  await untilMerged()
  await Promise.all(links.map((link) => link.setBoth(LOSSY)))
  // The change of the delay is no part of it.
  await delay(LOSSY_MS)
  const alone: ReceivedTrack[] = []
  for (const each of PATHS) {
    const viewer = stack.use(await WeriftViewer.open(rig.hub.url, each))
    alone.push(await viewer.track('video'))
  }
  const loss = await runs('hitless-loss-10pct', async () => Date.now(), LOSSY_MS)
  return { cases: [cut, loss], lost_alone: alone.map(missing) }
}

/** Pictures that are missing by the RTP timestamps. */
function missing({ packets }: ReceivedTrack): number {
  return steps(packets, TICKS_PER_MS.video).reduce(
    (sum, { mediaMs }) => sum + Math.max(0, Math.round((mediaMs * FPS) / 1000) - 1),
    0,
  )
}
