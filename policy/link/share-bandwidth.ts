import { type ViewedStream, type WantedReason, wantedStep } from '../viewed-stream.ts'

/** What a stream got, and since when. It keeps the next decision from going back and forth. */
export interface ShareMemory {
  /** Index of the step in use; null while the picture is paused. */
  readonly step: number | null
  /** Since when a higher step could be paid without a break, ms; null while it could not. */
  readonly affordableSince: number | null
  /** When bandwidth last took a step away, ms; null for never. */
  readonly loweredAt: number | null
  /** Since when not even the lowest step could be paid, ms; null while it can. */
  readonly brokeSince: number | null
}

export interface Share {
  /** Index of the step to forward at most; null pauses the picture. */
  readonly step: number | null
  /** The step that this viewer would take with bandwidth for all. The publisher is to send up to it. */
  readonly wanted: number | null
  /** The step that bandwidth pays for; null for none. A higher step than now is waited for. */
  readonly affordable: number | null
  /** Why the step is no higher: `bandwidth`, or what {@link wantedStep} found. */
  readonly reason: WantedReason | 'bandwidth'
  /** The next decision needs it; null where nothing of the past counts. */
  readonly memory: ShareMemory | null
}

export interface Bandwidth {
  /** What a viewer's connection carries, kb/s. */
  readonly availableKbps: number
  /** The estimate never gets above this, kb/s. An estimate this high says that a step up needs no headroom. */
  readonly limitKbps: number
}

/** A step up must leave this share of all that is available: estimate and bitrates waver by up to 3 %. */
export const RAISE_HEADROOM = 0.07
/** A paused picture comes back when it leaves this share of all that is available. */
export const RESUME_HEADROOM = 0.25
/** A step up must have fitted for this time, ms. */
const RAISE_AFTER_MS = 400
const RESUME_AFTER_MS = 2_000
/** After a step down, the next step up waits for this time, ms. */
const RAISE_AGAIN_MS = 4_000
/** An estimate may dip. A picture pauses when its lowest step did not fit for this time, ms. */
const PAUSE_AFTER_MS = 1_500

/**
 * Shares a viewer's bandwidth over its streams. The focused stream is served first, then by priority, then by size on
 * the screen. The floors of all streams come before more for any stream. A stream goes below its floor only when the
 * streams after it have nothing left that would help. Down at once, up with headroom and after a while. `nowMs` is of
 * any steady clock.
 */
export function shareBandwidth(
  { availableKbps, limitKbps }: Bandwidth,
  streams: readonly ViewedStream[],
  memories: ReadonlyMap<string, ShareMemory>,
  nowMs: number,
): Map<string, Share> {
  const claims = streams.toSorted(byImportance).map((stream) => new Claim(stream, memories.get(stream.id)))
  const headroomOf = availableKbps < limitKbps * 0.97 ? availableKbps : 0
  let left = availableKbps
  for (const claim of claims) left -= claim.raise(claim.floorStep, left, headroomOf)
  for (const claim of claims) left -= claim.raise(claim.wanted, left, headroomOf)
  return new Map(claims.map((claim) => [claim.stream.id, claim.settle(nowMs)]))
}

/** Sorts the stream first that bandwidth goes to first. */
export function byImportance(a: ViewedStream, b: ViewedStream): number {
  return (
    Number(b.view.focused) - Number(a.view.focused) ||
    b.priority - a.priority ||
    area(b) - area(a) ||
    (a.id < b.id ? -1 : 1)
  )
}

const area = ({ view: { tile } }: ViewedStream): number => (tile === null ? 0 : tile.width * tile.height)

/** One stream's part of a decision while it is made. */
class Claim {
  readonly stream: ViewedStream
  readonly wanted: number | null
  /** The step that the floor asks for, no higher than the step that is wanted. */
  readonly floorStep: number | null
  readonly #reason: WantedReason
  readonly #memory: ShareMemory | undefined
  #step: number | null = null

  constructor(stream: ViewedStream, memory: ShareMemory | undefined) {
    this.stream = stream
    this.#memory = memory
    const { step, reason } = wantedStep(stream)
    this.wanted = step
    this.#reason = reason
    const floor = stream.steps.findIndex(({ kbps }) => kbps !== null && kbps >= stream.floorKbps)
    this.floorStep = step === null ? null : floor < 0 ? step : Math.min(floor, step)
  }

  /** Goes up as far as `left` kb/s pay for, to step `to` at most. Returns the kb/s that this takes more than before. */
  raise(to: number | null, left: number, headroomOf: number): number {
    if (to === null) return 0
    const { steps } = this.stream
    // Nothing is measured yet. The worker finds its layer by itself, and the next decision puts this right in a second.
    if (this.#unmeasured) {
      this.#step = this.wanted
      return 0
    }
    const before = this.#step === null ? 0 : steps[this.#step]!.kbps!
    for (let step = to; step > (this.#step ?? -1); step--) {
      const { kbps } = steps[step]!
      if (kbps === null || kbps - before + this.#headroom(step, headroomOf) > left) continue
      this.#step = step
      return kbps - before
    }
    return 0
  }

  get #unmeasured(): boolean {
    return this.stream.steps.every(({ kbps }) => kbps === null)
  }

  settle(nowMs: number): Share {
    const { wanted } = this
    const memory = this.#memory
    const target = this.#step
    if (wanted === null) return { step: null, wanted, affordable: null, reason: this.#reason, memory: null }
    if (target === null) return this.#broke(nowMs)
    // A step that was taken before anything was measured is not taken away by bandwidth.
    if (memory === undefined && this.#unmeasured)
      return { step: target, wanted, affordable: target, reason: this.#reason, memory: null }
    const before = memory === undefined ? target : memory.step
    const fresh: ShareMemory = {
      step: before,
      affordableSince: null,
      loweredAt: memory?.loweredAt ?? null,
      brokeSince: null,
    }
    if (before !== null && target <= before)
      return this.#share({
        ...fresh,
        step: target,
        loweredAt: target < before && target < wanted ? nowMs : fresh.loweredAt,
      })
    const since = memory?.affordableSince ?? nowMs
    const waited = nowMs - since >= (before === null ? RESUME_AFTER_MS : RAISE_AFTER_MS)
    const rested = fresh.loweredAt === null || nowMs - fresh.loweredAt >= RAISE_AGAIN_MS
    // A step that the page gave up comes back at once: only bandwidth is waited for.
    const limited = fresh.loweredAt !== null || before === null
    if (limited && !(waited && rested)) return this.#share({ ...fresh, affordableSince: since })
    return this.#share({ ...fresh, step: target, loweredAt: target === wanted ? null : fresh.loweredAt })
  }

  /** Not even the lowest step fits. It is sent for a moment, as far as the worker gets it through, then it pauses. */
  #broke(nowMs: number): Share {
    const memory = this.#memory
    const brokeSince = memory?.brokeSince ?? nowMs
    const paused = memory?.step === null || nowMs - brokeSince >= PAUSE_AFTER_MS
    const loweredAt = memory?.step === null ? memory.loweredAt : nowMs
    return this.#share({ step: paused ? null : 0, affordableSince: null, loweredAt, brokeSince })
  }

  #share(memory: ShareMemory): Share {
    const limited = (memory.step ?? -1) < this.wanted!
    return {
      step: memory.step,
      wanted: this.wanted,
      affordable: this.#step,
      reason: limited ? 'bandwidth' : this.#reason,
      memory,
    }
  }

  #headroom(step: number, of: number): number {
    const memory = this.#memory
    if (memory === undefined || step <= (memory.step ?? -1)) return 0
    return of * (memory.step === null ? RESUME_HEADROOM : RAISE_HEADROOM)
  }
}
