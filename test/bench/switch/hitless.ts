import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { cardClip } from '../../support/card-clip.ts'
import { startClipSender } from '../../support/clip-sender.ts'
import type { TestStream } from '../../support/hub.ts'
import { type ImpairedLink, openImpairedLink } from '../../support/impaired-link.ts'
import type { Impairment } from '../../support/impairment.ts'
import { InputScreen } from '../../support/input-screen.ts'
import { until } from '../../support/until.ts'
import { type CaseResult, repeat, undisturbed } from './case.ts'
import { CARD, isLive, type SwitchRig } from './rig.ts'

const CARD_NAME = 'encoder'
/** Two paths of one encoder, each to an input stream of its own. */
export const PATHS = ['path-a', 'path-b'] as const
export const PATH_STREAMS: readonly TestStream[] = PATHS.map((streamId) => ({ streamId, links: 1 }))
const CLIP_SECONDS = 150
/** Longer than the class's threshold, and short enough that librist takes the path for the same afterwards. */
const CUT_MS = 1500
const WATCHED_MS = 3000
/** A round trip in which RIST has few tries within its buffer. */
const LOSSY: Partial<Impairment> = { loss: 0.1, delayMs: 15 }
const LOSSY_MS = 4000

const status = z.object({ merged: z.array(z.string()) })

/** Cuts of either path, and loss on both, while one encoder's pictures come by two paths. */
export async function hitless(
  rig: SwitchRig,
  programId: string,
  say: (what: string) => void,
): Promise<CaseResult[]> {
  await using stack = new AsyncDisposableStack()
  const links: ImpairedLink[] = []
  const destinations = []
  for (const [index, path] of PATHS.entries()) {
    const stream = rig.hub.streams.get(path)!
    const link = stack.use(await openImpairedLink({ targetPort: stream.ports[0]!, seed: index + 1 }))
    links.push(link)
    destinations.push({ ...stream, ports: [link.port] })
  }
  const { width, height, videoKbps: kbps } = CARD
  const path = await cardClip({ name: CARD_NAME, width, height, kbps, seconds: CLIP_SECONDS })
  const [first, ...copies] = destinations
  stack.use(await startClipSender(first!, { path, copies, stamped: true, repeat: true }))
  for (const each of PATHS) await until(() => isLive(rig.hub, each), `${each} is live`)
  const screen = stack.use(await openScreen(rig, programId))
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
  const cut = await runs(
    'hitless-cut',
    async (run) => {
      const link = links[run % 2]!
      const from = Date.now()
      await link.setBoth({ blackhole: true })
      setTimeout(() => void link.setBoth({}), CUT_MS)
      return from
    },
    WATCHED_MS,
  )
  await untilMerged()
  await Promise.all(links.map((link) => link.setBoth(LOSSY)))
  // The change of the delay is no part of it.
  await delay(LOSSY_MS)
  const loss = await runs('hitless-loss-10pct', async () => Date.now(), LOSSY_MS)
  return [cut, loss]
}

function openScreen(rig: SwitchRig, programId: string): Promise<InputScreen> {
  const viewport = { width: 640, height: 480 }
  return InputScreen.open(rig.chromium, {
    url: `${rig.hub.url}/watch/${programId}`,
    names: [CARD_NAME],
    viewport,
  })
}
