import { looksLikeTransportStream } from '../../common/mpegts/packet-sync.ts'

/** This many payloads of one flow are no accident, whatever their content. */
const PAYLOADS_OF_A_SENDER = 16

/**
 * Tells a new flow from an accident: now and then a packet that was decrypted with the wrong key looks like the first
 * of a flow. The first payload shows a transport stream. A flow that goes on without one is a sender too, which sends
 * something else: the pipeline will say so.
 */
export class FlowCandidate {
  #flowId: number | undefined
  #payloads = 0
  #accidents = 0

  /** Whether this payload belongs to a real flow. */
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

  /** Number of payloads since the last call that turned out to belong to no flow. */
  takeAccidents(): number {
    const accidents = this.#accidents
    this.#accidents = 0
    return accidents
  }
}
