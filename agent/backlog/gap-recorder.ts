import type { SegmentRange } from '../../common/wire/backlog.ts'

/** What was sent during this time before links fell silent may not have arrived, ms: librist notices after half a second. */
export const LOOK_BACK_MS = 3000
/** What is sent after links answer again is kept for this long, ms: the first packets may still get lost. */
export const TAIL_MS = 1000
/** Where a segment ends, ms of media and bytes. What a power cut takes is less than one, and one is delivered in 4 s. */
const SEGMENT = { ms: 2000, bytes: 512 * 1024 }
/** Most bytes of what was sent last: 3 s of 20 Mb/s. */
const MAX_LOOK_BACK_BYTES = 8 * 1024 * 1024
/** Capture times that step back by more, or ahead by more, begin another segment, ms: the clock was set. */
const STEP_MS = 1000

interface Piece {
  readonly ts: Buffer
  /** Capture time of the last picture in it, Unix ms of the hub's clock. */
  readonly captureMs: number
  readonly writtenAt: number
}

export interface RecordedSegment extends SegmentRange {
  readonly pieces: readonly Buffer[]
}

/**
 * Picks out of a stream what could not be sent in time: from some seconds before the links fall silent until they
 * answer again. Nothing is picked twice. Callers give the time, in ms of any steady clock.
 */
export class GapRecorder {
  readonly #save: (segment: RecordedSegment) => void
  /** What was written last and is in no segment, oldest first. */
  #sent: Piece[] = []
  #sentBytes = 0
  /** The segment that is being made. */
  #segment: Piece[] = []
  #segmentBytes = 0
  /** What is written before this belongs to a gap. */
  #until = Number.NEGATIVE_INFINITY

  /** @param save takes each segment as soon as it is whole */
  constructor(save: (segment: RecordedSegment) => void) {
    this.#save = save
  }

  /** Whether what is written now is picked. */
  isRecording(nowMs: number): boolean {
    return nowMs <= this.#until
  }

  /**
   * Takes whole TS packets as they are sent. The buffer may not change afterwards.
   * @param captureMs capture time of the last picture, Unix ms
   */
  write(ts: Buffer, captureMs: number, nowMs: number): void {
    const piece = { ts, captureMs: Math.round(captureMs), writtenAt: nowMs }
    if (this.isRecording(nowMs)) return this.#pick(piece)
    this.#end()
    this.#sent.push(piece)
    this.#sentBytes += ts.length
    this.#forget(nowMs)
  }

  /** Whether anything gets through, whenever that changes. */
  carries(carries: boolean, nowMs: number): void {
    if (carries) {
      if (this.#until === Number.POSITIVE_INFINITY) this.#until = nowMs + TAIL_MS
    } else this.#record(nowMs, Number.POSITIVE_INFINITY)
  }

  /** Something of what was sent just now got lost. */
  lost(nowMs: number): void {
    this.#record(nowMs, Math.max(this.#until, nowMs + TAIL_MS))
  }

  /** Ends the segment that is being made. */
  close(): void {
    this.#end()
    this.#until = Number.NEGATIVE_INFINITY
  }

  #record(nowMs: number, until: number): void {
    this.#forget(nowMs)
    this.#until = until
    const sent = this.#sent
    this.#sent = []
    this.#sentBytes = 0
    for (const piece of sent) this.#pick(piece)
  }

  #forget(nowMs: number): void {
    let gone = 0
    for (const { ts, writtenAt } of this.#sent) {
      if (nowMs - writtenAt <= LOOK_BACK_MS && this.#sentBytes <= MAX_LOOK_BACK_BYTES) break
      this.#sentBytes -= ts.length
      gone += 1
    }
    if (gone > 0) this.#sent.splice(0, gone)
  }

  #pick(piece: Piece): void {
    const [first, last] = [this.#segment[0], this.#segment.at(-1)]
    if (first && last) {
      const stepped =
        piece.captureMs < last.captureMs - STEP_MS || piece.captureMs > last.captureMs + SEGMENT.ms + STEP_MS
      const isFull =
        piece.captureMs - first.captureMs >= SEGMENT.ms ||
        this.#segmentBytes + piece.ts.length > SEGMENT.bytes
      // Two segments never begin at the same time: their names would be the same.
      if (stepped || (isFull && piece.captureMs > last.captureMs)) this.#end()
    }
    this.#segment.push(piece)
    this.#segmentBytes += piece.ts.length
  }

  #end(): void {
    const pieces = this.#segment
    if (pieces.length === 0) return
    this.#segment = []
    this.#segmentBytes = 0
    const times = pieces.map(({ captureMs }) => captureMs)
    this.#save({
      from: Math.min(...times),
      to: Math.max(...times),
      pieces: pieces.map(({ ts }) => ts),
    })
  }
}
