import { looksLikeTransportStream } from './mpegts/packet-sync.ts'

/** So many payloads of one flow are no accident, whatever is in them. */
const PAYLOADS_OF_A_SENDER = 16

/**
 * Tells a new flow from an accident: a packet that was decrypted with the wrong key now and then passes for the first
 * of a flow. A transport stream is known by its first payload. A flow that goes on without one is a sender too, one that
 * sends something else: that is for the pipeline to say.
 */
export class FlowCandidate {
  #flowId: number | undefined
  #payloads = 0
  #accidents = 0

  /** Whether this payload's flow is one. */
  admits(flowId: number, payload: Uint8Array): boolean {
    if (flowId !== this.#flowId) {
      this.#accidents += this.#payloads
      this.#flowId = flowId
      this.#payloads = 0
    }
    if (looksLikeTransportStream(payload) || this.#payloads >= PAYLOADS_OF_A_SENDER) {
      this.#payloads = 0
      return true
    }
    this.#payloads += 1
    return false
  }

  /** Payloads since it was asked last that turned out to be of no flow. */
  takeAccidents(): number {
    const accidents = this.#accidents
    this.#accidents = 0
    return accidents
  }
}
