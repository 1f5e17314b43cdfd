import type { AudioTrack } from './pipeline-audio-track.ts'
import type { PipelineLimits, ProgramDescription, Refusal } from './pipeline-types.ts'
import type { VideoTrack } from './pipeline-video-track.ts'
import { refusals } from './refusals.ts'

/** What is known of the input. */
export interface ProgramFacts {
  readonly video: readonly VideoTrack[]
  readonly audio: AudioTrack | null
  readonly audioRefusal: Refusal | null
  /** Set when all video of the program is of kinds that browsers do not play. */
  readonly unsupportedVideo: Refusal | null
  /** PID of a track whose packets are all scrambled, or null. */
  readonly scrambledPid: number | null
  /** Since the first byte, ms. */
  readonly sinceStartMs: number
  /** Bytes since then. */
  readonly bytes: number
}

export interface ProgramGateSink {
  program(program: ProgramDescription): void
  refused(refusal: Refusal): void
  recovered(): void
  videoMissing(): void
}

/**
 * Decides whether the input may be shown: `pending` until enough is known, then announced or refused, and again
 * whenever that changes. A good stream that turns bad is refused; a bad stream that is corrected recovers.
 */
export class ProgramGate {
  readonly #sink: ProgramGateSink
  readonly #limits: PipelineLimits
  #announced: ProgramDescription | null = null
  /** What the last description was made from, and that description. */
  #described: { readonly from: readonly unknown[]; readonly program: ProgramDescription } | null = null
  #refusal: Refusal | null = null
  #firstReadyMs = -1

  constructor(sink: ProgramGateSink, limits: PipelineLimits) {
    this.#sink = sink
    this.#limits = limits
  }

  /** Whether RTP may leave. */
  get open(): boolean {
    return this.#announced !== null && this.#refusal === null
  }

  get program(): ProgramDescription | null {
    return this.#announced
  }

  /** The input was replaced: the announcement stays until the new input proves different. */
  restart(): void {
    this.#firstReadyMs = -1
  }

  evaluate(facts: ProgramFacts): void {
    const verdict = this.#judge(facts)
    if (verdict === 'pending') return
    if ('code' in verdict) {
      if (this.#refusal && sameFault(this.#refusal, verdict)) return
      this.#refusal = verdict
      this.#sink.refused(verdict)
      return
    }
    if (this.#refusal) {
      this.#refusal = null
      this.#sink.recovered()
    }
    if (this.#announced === verdict) return
    if (this.#announced && sameProgram(this.#announced, verdict)) return
    this.#announced = verdict
    if (facts.video.length > 0 && verdict.video.length === 0) this.#sink.videoMissing()
    this.#sink.program(verdict)
  }

  #judge(facts: ProgramFacts): ProgramDescription | Refusal | 'pending' {
    if (facts.unsupportedVideo) return facts.unsupportedVideo
    for (const track of facts.video) if (track.fault) return track.fault
    const late = facts.sinceStartMs >= this.#limits.probationMs
    const alive = facts.video.filter((track) => track.alive)
    if (alive.length === 0) {
      if (late && facts.scrambledPid !== null) return refusals.scrambled(facts.scrambledPid)
      if (facts.audio?.alive && (facts.video.length === 0 || late)) return this.#describe([], facts)
      const enough = facts.bytes >= this.#limits.programBytes || facts.sinceStartMs >= this.#limits.programMs
      return late && enough && !this.#announced ? refusals.noMedia() : 'pending'
    }
    const lacking = alive.filter((track) => this.#lacks(track))
    if (lacking.length === alive.length) return lacking[0]!.keyframeRefusal
    const ready = facts.video.filter((track) => track.ready)
    if (ready.length === 0) return 'pending'
    if (this.#firstReadyMs < 0) this.#firstReadyMs = facts.sinceStartMs
    // Waits, within bounds, for a rendition whose first keyframe comes later than the others'.
    const patient = facts.sinceStartMs - this.#firstReadyMs < this.#limits.probationMs
    const undecided = facts.video.length - ready.length - lacking.filter((track) => !track.ready).length
    if (undecided > 0 && patient) return 'pending'
    return this.#describe(ready, facts)
  }

  /** Asked for each picture; nearly always the answer is the last one. */
  #describe(ready: readonly VideoTrack[], facts: ProgramFacts): ProgramDescription {
    const from: unknown[] = [facts.audio?.description, facts.audioRefusal]
    for (const { pid, sps } of ready) from.push(pid, sps)
    const last = this.#described
    if (last && sameValues(last.from, from)) return last.program
    const program = describe(ready, facts)
    this.#described = { from, program }
    return program
  }

  #lacks(track: VideoTrack): boolean {
    return track.lacksKeyframe(this.#limits.probationMs, this.#limits.maxKeyframeGapMs)
  }
}

/** Whether two refusals say the same. The reason for a missing keyframe is told once: later loss is no news. */
function sameFault(a: Refusal, b: Refusal): boolean {
  return a.pid === b.pid && faultOf(a) === faultOf(b)
}

function faultOf({ code }: Refusal): Refusal['code'] {
  return code === 'keyframes_lost' ? 'no_keyframe' : code
}

/** Ascending by pixels; equal sizes keep the order of the PMT. */
function describe(ready: readonly VideoTrack[], facts: ProgramFacts): ProgramDescription {
  const sized = ready.flatMap(({ pid, sps }) =>
    sps ? [{ pid, width: sps.width, height: sps.height, profile: sps.profile }] : [],
  )
  sized.sort((a, b) => a.width * a.height - b.width * b.height)
  return {
    video: sized.map((video, rendition) => ({ ...video, rendition })),
    audio: facts.audio?.description ?? null,
    audioRefusal: facts.audioRefusal,
  }
}

function sameProgram(a: ProgramDescription, b: ProgramDescription): boolean {
  return (
    a.video.length === b.video.length &&
    a.video.every((video, rendition) => sameFields(video, b.video[rendition]!)) &&
    sameFields(a.audio, b.audio) &&
    sameFields(a.audioRefusal, b.audioRefusal)
  )
}

function sameValues(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}

/** Compares flat objects with the same fields. */
function sameFields<T extends object>(a: T | null, b: T | null): boolean {
  if (a === null || b === null) return a === b
  for (const field in a) if (a[field] !== b[field]) return false
  return true
}
