/** How busy a worker is: the used share of its room. */
export interface WorkerLoad {
  readonly index: number
  /** 0 to 1, and above where it is overloaded. */
  readonly load: number
}

/** What the next look needs. Times in ms of any steady clock. */
export interface MoveMemory {
  /** The worker that has been too busy without a break. */
  readonly from: number | null
  readonly since: number
  readonly movedAt: number
}

/** Viewers leave a worker from this load on... */
const BUSY = 0.6
/** ...while another worker's load is lower by this share. A pipe costs as much, so no viewer goes back and forth. */
const LESS_BUSY = 0.25
/** The difference must have lasted this long: load comes and goes with joins and keyframes, ms. */
const FOR_MS = 10_000
/** Pause after a move, ms: only then does the load show the move. */
const EVERY_MS = 5_000

export const NO_MOVES: MoveMemory = { from: null, since: 0, movedAt: Number.NEGATIVE_INFINITY }

/** Whether one viewer should move now, and from which worker to which. */
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
 * Whether moving a viewer that takes this `share` of a worker's room evens out the load. The stream may need a pipe to
 * the other worker, and the pipe may take as much of this worker as the viewer gave back. In both cases the other
 * worker must not end up busier: otherwise the viewer would have to move back.
 */
export function evensOut(fromLoad: number, toLoad: number, share: number): boolean {
  return fromLoad - share >= toLoad + share
}
