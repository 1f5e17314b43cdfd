import type { types } from 'mediasoup'

/** Header extensions that make a worker estimate a transport's capacity. Their feedback goes with them. */
const ESTIMATING = new Set([
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
])

/**
 * Whether one viewer's transport estimates its bandwidth (transport-cc), which is the dearest part of a viewer: only
 * where there is a layer to choose. Retransmissions and keyframe requests work without it.
 *
 * Consequences: a transport that watches only single layers has no estimate (no `bwe` trace, no
 * availableOutgoingBitrate), and the loss shows whether the receiver keeps up: the consumer's score. On a transport
 * with any layered stream, everything counts: mediasoup takes a single layer's bitrate from the estimate in any case,
 * so the layer must be part of it. Hence `needed` is told once, and consumers made before are replaced.
 */
export class Estimation {
  readonly #full: types.RtpCapabilities
  readonly #plain: types.RtpCapabilities
  readonly #onNeeded: () => void
  #needed = false

  /** @param onNeeded the first layered stream is about to be consumed: replace video consumers that were made before */
  constructor(capabilities: types.RtpCapabilities, onNeeded: () => void) {
    this.#full = capabilities
    this.#plain = withoutEstimation(capabilities)
    this.#onNeeded = onNeeded
  }

  /** Whether the transport estimates, or is about to. */
  get needed(): boolean {
    return this.#needed
  }

  /** The capabilities to consume with now. */
  get capabilities(): types.RtpCapabilities {
    return this.#needed ? this.#full : this.#plain
  }

  /** These producers are about to be consumed. */
  consider(producers: readonly types.Producer[]): void {
    if (this.#needed || !producers.some(hasLayers)) return
    this.#needed = true
    this.#onNeeded()
  }
}

/** Whether a viewer of this producer may get one of several spatial or temporal layers. */
function hasLayers({ type }: types.Producer): boolean {
  return type === 'simulcast' || type === 'svc'
}

/** A receiver's capabilities without bandwidth estimation. mediasoup leaves the feedback out by itself. */
function withoutEstimation(capabilities: types.RtpCapabilities): types.RtpCapabilities {
  const { headerExtensions = [] } = capabilities
  return { ...capabilities, headerExtensions: headerExtensions.filter(({ uri }) => !ESTIMATING.has(uri)) }
}

/** Whether a consumer's packets count in its transport's estimate. */
export function isEstimated({ headerExtensions = [] }: types.RtpParameters): boolean {
  return headerExtensions.some(({ uri }) => ESTIMATING.has(uri))
}

/** Whether the worker can estimate what a receiver's link carries: both must agree on the header extensions. */
export function canEstimate({ headerExtensions = [] }: types.RtpCapabilities): boolean {
  return headerExtensions.some(({ uri }) => ESTIMATING.has(uri))
}
