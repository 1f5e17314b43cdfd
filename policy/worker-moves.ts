/** How busy a worker is: the share of its room that is used. */
export interface WorkerLoad {
  readonly index: number
  /** 0 to 1, and above where it is overloaded. */
  readonly load: number
}

/** What the next look needs to know. Times in ms of any steady clock. */
export interface MoveMemory {
  /** The worker that has been too busy without a break. */
  readonly from: number | null
  readonly since: number
  readonly movedAt: number
}

/** Viewers leave a worker from this load on... */
const BUSY = 0.6
/** ...while another one is so much less loaded; the same that a pipe is worth, so that none goes back and forth. */
const LESS_BUSY = 0.25
/** That must have been so for this time: load comes and goes with joins and keyframes, ms. */
const FOR_MS = 10_000
/** One after the other: so long after a viewer moved, the load shows it, ms. */
const EVERY_MS = 5_000

export const NO_MOVES: MoveMemory = { from: null, since: 0, movedAt: Number.NEGATIVE_INFINITY }

/** Whether one viewer is to move now, and from which worker to which. */
export function considerMove(
  memory: MoveMemory,
  loads: readonly WorkerLoad[],
  nowMs: number,
): { readonly move: { readonly from: number; readonly to: number } | null; readonly memory: MoveMemory } {
  const byLoad = loads.toSorted((a, b) => b.load - a.load)
  const [busiest] = byLoad
  const least = byLoad.at(-1)
  if (!busiest || !least || busiest.load < BUSY || busiest.load - least.load < LESS_BUSY)
    return { move: null, memory: { ...memory, from: null } }
  const since = memory.from === busiest.index ? memory.since : nowMs
  const seen = { from: busiest.index, since, movedAt: memory.movedAt }
  if (nowMs - since < FOR_MS || nowMs - memory.movedAt < EVERY_MS) return { move: null, memory: seen }
  return { move: { from: busiest.index, to: least.index }, memory: { ...seen, movedAt: nowMs } }
}

/**
 * Whether a viewer that takes this `share` of a worker's room leaves things more even. The stream may have to be piped
 * to the other worker, and the pipe may take as much of this one as the viewer gave back. Both ways the other worker
 * must not be the busier one afterwards: else the viewer would be due to go back.
 */
export function evensOut(fromLoad: number, toLoad: number, share: number): boolean {
  return fromLoad - share >= toLoad + share
}
