import type { types } from 'mediasoup-client'

/** Codecs for a video track. The browser must be able to encode them. */
export const PUBLISH_CODECS = ['vp8', 'h264', 'vp9', 'av1'] as const
export type PublishCodec = (typeof PUBLISH_CODECS)[number]

/** How many versions are sent: one, several sizes side by side (simulcast), or one with layers inside (SVC). */
const PUBLISH_LAYERS = ['single', 'simulcast', 'svc'] as const
export type PublishLayers = (typeof PUBLISH_LAYERS)[number]

/** What the hub forwards of each codec. The first is the usual one. */
export const LAYERS_OF: Readonly<Record<PublishCodec, readonly PublishLayers[]>> = {
  vp8: ['simulcast', 'single'],
  h264: ['simulcast', 'single'],
  vp9: ['svc', 'single'],
  av1: ['single'],
}

/** Share of the bitrate by layer, smallest first, for 1, 2 and 3 layers, each half the size of the next. */
const SHARES = [[1], [0.2, 0.8], [0.07, 0.23, 0.7]] as const
/** A picture of fewer lines is not worth a layer below it. */
const LEAST_LINES = 180

export interface EncodingWish {
  readonly codec: PublishCodec
  readonly layers: PublishLayers
  /** Lines of the track. Each layer below has half as many. */
  readonly height: number
  /** All layers together, kb/s. */
  readonly maxKbps: number
  /** Of layers in one encoding: how many to send, from the smallest on; all by default. */
  readonly wantedLayers?: number
}

/** The encodings of a track, smallest first, as `RTCRtpSendParameters` wants them. */
export function encodingsOf(wish: EncodingWish): types.RtpEncodingParameters[] {
  const { codec, layers, height, maxKbps } = wish
  const count = Math.max(1, Math.min(3, 1 + Math.floor(Math.log2(height / LEAST_LINES))))
  if (layers === 'svc') return [svcEncoding(count, Math.min(count, wish.wantedLayers ?? count), maxKbps)]
  // Temporal layers help where mediasoup can leave them out, in VP8 and VP9.
  const scalabilityMode = codec === 'vp8' || codec === 'vp9' ? 'L1T3' : 'L1T1'
  const shares = SHARES[layers === 'simulcast' ? count - 1 : 0] ?? SHARES[0]
  return shares.map((share, index) => ({
    scaleResolutionDownBy: 2 ** (shares.length - 1 - index),
    maxBitrate: Math.round(maxKbps * 1000 * share),
    scalabilityMode,
  }))
}

/** One encoding with the `sent` smallest of its layers. Each has the size that it has with all layers. */
function svcEncoding(count: number, sent: number, maxKbps: number): types.RtpEncodingParameters {
  const share = (SHARES[count - 1] ?? SHARES[0]).slice(0, sent).reduce((sum, each) => sum + each, 0)
  return {
    scaleResolutionDownBy: 2 ** (count - sent),
    maxBitrate: Math.round(maxKbps * 1000 * share),
    scalabilityMode: sent === 1 ? 'L1T3' : `L${sent}T3_KEY`,
  }
}

/** The layers of a track for the wish `layers`. */
export function layersFor(codec: PublishCodec, layers: PublishLayers | undefined): PublishLayers {
  const possible = LAYERS_OF[codec]
  return layers !== undefined && possible.includes(layers) ? layers : (possible[0] ?? 'single')
}
