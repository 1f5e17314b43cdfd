/** Steps back up to this number are copies. Further back, another numbering has begun. */
const OLDEST_COPY = 8192
/** When nothing but copies came for this long, they are no copies, ms. */
const COPIES_FOR_MS = 500

/**
 * Keeps out blocks that librist hands over again. This happens when the copies on a duplicating bond's slower link
 * arrive after the faster link's have left the buffer: librist's output steps back and repeats a stretch. Pure: callers
 * give the time, in ms of any monotonic clock.
 */
export class RepeatFilter {
  #flowId: number | undefined
  #last = 0
  #lastAt = 0

  /** Whether this block is new. @param sequence RTP's, of which 16 bits count */
  isNew(flowId: number, sequence: number, nowMs: number): boolean {
    const step = ((sequence - this.#last) << 16) >> 16
    const copy = flowId === this.#flowId && step <= 0 && step > -OLDEST_COPY
    if (copy && nowMs - this.#lastAt < COPIES_FOR_MS) return false
    this.#flowId = flowId
    this.#last = sequence
    this.#lastAt = nowMs
    return true
  }
}
