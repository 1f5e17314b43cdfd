import type { InputHealth } from './input-health.ts'

/** A run of health shorter than this was a flap; a run as long makes up for all flaps, ms. */
export const FLAP_MS = 5000
/** The first flap costs nothing. After the second an input must be healthy for this long, doubled with each more, ms. */
export const FIRST_HOLD_MS = 500
/** Flaps are forgotten when an input was away for this long, ms. */
export const FORGET_MS = 60_000
/** Inputs that were taken off the list and are still remembered. */
const MAX_GONE = 8

/** What is remembered of one input's past. Times in ms of any steady clock. */
export interface InputTrust {
  /** When its present run of health began; null while it is not healthy. */
  readonly healthySinceMs: number | null
  /** When its last run of health ended. */
  readonly lostMs: number
  /** Runs of health in a row that were flaps. */
  readonly flaps: number
}

export type Trusts = ReadonlyMap<string, InputTrust>

const UNKNOWN: InputTrust = { healthySinceMs: null, lostMs: Number.NEGATIVE_INFINITY, flaps: 0 }

/** How long an input must be healthy before it goes on air again, ms. */
export function holdOf(trusts: Trusts, id: string): number {
  const flaps = trusts.get(id)?.flaps ?? 0
  return flaps < 2 ? 0 : Math.min(FLAP_MS, FIRST_HOLD_MS * 2 ** (flaps - 2))
}

/** Takes note of runs of health that begin and end. An input that leaves the list keeps its past for a while. */
export function remember(trusts: Trusts, inputs: readonly InputHealth[], nowMs: number): Trusts {
  const next = new Map<string, InputTrust>()
  for (const input of inputs) next.set(input.id, after(trusts.get(input.id) ?? UNKNOWN, input, nowMs))
  const gone = [...trusts].filter(([id, { lostMs, healthySinceMs }]) => {
    return !next.has(id) && (healthySinceMs !== null || nowMs - lostMs < FORGET_MS)
  })
  for (const [id, trust] of gone.slice(-MAX_GONE))
    next.set(id, after(trust, { id, state: 'absent', sinceMs: nowMs }, nowMs))
  return next
}

/** Somebody takes the input by hand: its past counts no more. */
export function pardon(trusts: Trusts, id: string): Trusts {
  const trust = trusts.get(id)
  return trust ? new Map(trusts).set(id, { ...trust, flaps: 0 }) : trusts
}

function after(trust: InputTrust, { state, sinceMs }: InputHealth, nowMs: number): InputTrust {
  const { healthySinceMs } = trust
  // A run that began later than the remembered one: the input was away in between, unseen.
  const unseen = state === 'healthy' && healthySinceMs !== null && sinceMs > healthySinceMs
  if (healthySinceMs !== null && (state !== 'healthy' || unseen)) {
    const lostMs = unseen ? sinceMs : nowMs
    const flaps = lostMs - healthySinceMs < FLAP_MS ? trust.flaps + 1 : 0
    return { healthySinceMs: unseen ? sinceMs : null, lostMs, flaps }
  }
  if (state !== 'healthy') return nowMs - trust.lostMs >= FORGET_MS && trust.flaps > 0 ? UNKNOWN : trust
  if (healthySinceMs === null) return { ...trust, healthySinceMs: sinceMs }
  return nowMs - healthySinceMs >= FLAP_MS && trust.flaps > 0 ? { ...trust, flaps: 0 } : trust
}
