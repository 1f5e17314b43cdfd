/** A link that has never answered over UDP has this long to do so, ms: a handshake takes some round trips. */
const FIRST_ANSWER_MS = 2000
/** UDP that came back must last this long before the detour is given up, ms; twice as long each time it fails again. */
const TRUST_MS = { first: 5000, most: 120_000 }

/**
 * Decides when a link takes a detour: when UDP does not get through, and until UDP has got through for a while. librist
 * tries UDP all the time, and the two ways may carry the same flow at once. Pure: callers give the time, in ms of any
 * steady clock.
 */
export class LinkWay {
  #answers = false
  /** Since when UDP answers, or does not. */
  #since: number
  #everAnswered = false
  #detoured = false
  #trustMs = TRUST_MS.first

  constructor(nowMs: number) {
    this.#since = nowMs
  }

  /** Whether UDP gets through now. */
  get answers(): boolean {
    return this.#answers
  }

  /** @param answers whether the hub answers over UDP */
  observe(answers: boolean, nowMs: number): void {
    if (answers === this.#answers) return
    this.#answers = answers
    this.#since = nowMs
    if (answers) this.#everAnswered = true
    else if (this.#detoured) this.#trustMs = Math.min(TRUST_MS.most, this.#trustMs * 2)
  }

  /** Whether the link's datagrams may take the detour now. */
  takesDetour(nowMs: number): boolean {
    const forMs = nowMs - this.#since
    if (!this.#answers) this.#detoured ||= this.#everAnswered || forMs >= FIRST_ANSWER_MS
    else if (this.#detoured && forMs >= this.#trustMs) this.#detoured = false
    return this.#detoured
  }
}
