import type { StreamClass } from '../../common/wire/stream.ts'
import { LAYERS_OF, type PublishCodec, type PublishLayers } from '../../signaling/client/index.ts'

/** What somebody chose on the page. */
export interface Settings {
  readonly source: 'camera' | 'screen' | 'none'
  readonly audio: boolean
  readonly cameraId: string | undefined
  readonly microphoneId: string | undefined
  /** Lines of the picture. */
  readonly height: number
  readonly codec: PublishCodec
  readonly layers: PublishLayers
  readonly streamClass: StreamClass
  readonly music: boolean
}

export const FIRST_SETTINGS: Settings = {
  source: 'camera',
  audio: true,
  cameraId: undefined,
  microphoneId: undefined,
  height: 720,
  codec: 'vp8',
  layers: 'simulcast',
  streamClass: 'director',
  music: false,
}

export const CODEC_NAMES: Readonly<Record<PublishCodec, string>> = {
  vp8: 'VP8',
  h264: 'H.264',
  vp9: 'VP9',
  av1: 'AV1',
}

export const LAYER_NAMES: Readonly<Record<PublishLayers, string>> = {
  single: 'One size',
  simulcast: 'Simulcast',
  svc: 'SVC',
}

/** Changes the codec, and the layers to some that the codec has. */
export function withCodec(settings: Settings, codec: PublishCodec): Settings {
  const possible = LAYERS_OF[codec]
  const layers = possible.includes(settings.layers) ? settings.layers : (possible[0] ?? 'single')
  return { ...settings, codec, layers }
}

/** Whether this browser can encode the codec. Where the browser does not say, publishing finds out. */
export function canEncode(codec: PublishCodec): boolean {
  const codecs = globalThis.RTCRtpSender?.getCapabilities?.('video')?.codecs
  return codecs?.some(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`) ?? true
}
