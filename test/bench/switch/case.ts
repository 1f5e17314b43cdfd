import { setTimeout as delay } from 'node:timers/promises'
import { percentile } from '../../support/frame-reader.ts'
import { type InputScreen, renegotiations } from '../../support/input-screen.ts'
import type { ShownPicture } from '../../support/input-watch.ts'
import { frozenMs, longestGapMs, numbering } from '../../support/seen-inputs.ts'
import { rounded } from '../bench.ts'

/** How often each case runs. */
export const RUNS = 10
/** Rest before each run, in which everything settles, ms. */
const SETTLE_MS = 1000
/** How long the picture is watched after the change, ms. A freeze counts when the picture after it is shown. */
const AFTER_MS = 1500

/** One run of a case, as a page saw it; times in ms. */
export interface Measured {
  readonly ms: number
  /** Freezes (W3C webrtc-stats) from the change on. */
  readonly frozenMs: number
  /** Numbers of pictures that are missing among those that were decoded. */
  readonly lost: number
  /** Peer connections and SSRCs that changed. */
  readonly renegotiations: number
}

export interface CaseResult {
  readonly name: string
  readonly runs: number
  readonly p50_ms: number
  readonly p95_ms: number
  readonly frozen_ms: number
  readonly lost_frames: number
  readonly renegotiations: number
}

export interface Change {
  /** Does it, and answers with the moment from which the time counts, unix ms. */
  readonly happens: () => Promise<number>
  /** The input whose picture is awaited. */
  readonly to: string
  /** The awaited picture was drawn after the change: pictures stand still meanwhile. */
  readonly drawnAfter?: boolean
  /** How long a picture of the input may be away, ms. */
  readonly withinMs?: number
}

/** Waits for the picture that the change is about. @throws when another input comes on after that */
export async function measure(
  screen: InputScreen,
  { happens, to, drawnAfter = false, withinMs }: Change,
): Promise<Measured> {
  return observe(screen, happens, async (from) => {
    const isIt = ({ input, clock }: ShownPicture) =>
      input === to && (!drawnAfter || (clock !== null && isAfter(clock, from)))
    const first = await screen.first(isIt, `a picture of ${to}`, from, withinMs)
    await delay(AFTER_MS)
    await screen.look()
    const other = screen.shown.slice(screen.shown.indexOf(first)).find(({ input }) => input !== to)
    if (other) throw new Error(`a picture of ${other.input ?? 'the slate'} came after those of ${to}`)
    return first.at - from
  })
}

/** Nothing is to be seen of the change: the time is the longest between two pictures. */
export async function undisturbed(
  screen: InputScreen,
  happens: () => Promise<number>,
  watchedMs: number,
): Promise<Measured> {
  return observe(screen, happens, async (from) => {
    await delay(from + watchedMs - Date.now())
    await screen.look()
    const { at } = screen.shown.at(-1)!
    if (Date.now() - at > watchedMs / 2) throw new Error('the pictures stopped')
    return longestGapMs(screen.shown, from)
  })
}

/** @throws when a picture comes twice */
async function observe(
  screen: InputScreen,
  happens: () => Promise<number>,
  timed: (from: number) => Promise<number>,
): Promise<Measured> {
  await delay(SETTLE_MS)
  await screen.forget()
  const before = await screen.connections()
  const from = await happens()
  const ms = await timed(from)
  const { lost, again } = numbering(screen.decoded)
  if (again > 0) throw new Error(`${again} pictures came twice or too late`)
  return {
    ms,
    frozenMs: frozenMs(screen.shown, from),
    lost,
    renegotiations: renegotiations(before, await screen.connections()),
  }
}

/** Whether a burnt-in clock, modulo 2^32, is later than this unix ms. */
const isAfter = (clock: number, unixMs: number): boolean => ((clock - (unixMs % 2 ** 32)) | 0) > 0

/** Runs a case as often as all of them run. @param once gets the number of the run, from 1 */
export async function repeat(
  name: string,
  say: (what: string) => void,
  once: (run: number) => Promise<Measured>,
): Promise<CaseResult> {
  const measured: Measured[] = []
  let before = ''
  for (let run = 1; run <= RUNS; run += 1) {
    say(`${name}: run ${run} of ${RUNS}${before}`)
    const { ms, frozenMs: frozen, lost } = measured[measured.push(await once(run)) - 1]!
    before = `; before: ${rounded(ms, 0)} ms, frozen ${rounded(frozen, 0)} ms, ${lost} lost`
  }
  return summary(name, measured)
}

/** Times by their shares, and the worst of everything else over the runs. */
export function summary(name: string, measured: readonly Measured[]): CaseResult {
  const times = measured.map(({ ms }) => ms)
  const worst = (of: (each: Measured) => number) => rounded(Math.max(...measured.map(of)), 0)
  return {
    name,
    runs: measured.length,
    p50_ms: rounded(percentile(times, 0.5), 0),
    p95_ms: rounded(percentile(times, 0.95), 0),
    frozen_ms: worst(({ frozenMs }) => frozenMs),
    lost_frames: worst(({ lost }) => lost),
    renegotiations: worst((each) => each.renegotiations),
  }
}
