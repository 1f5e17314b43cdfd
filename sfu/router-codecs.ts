import type { types } from 'mediasoup'
import { CodedError } from '../common/errors.ts'

/**
 * The codecs of every router. H.264 is declared as constrained baseline, whatever the sender's profile is: Chromium on
 * Linux offers no High profile, decodes it all the same, and nobody checks the bitstream.
 */
export const ROUTER_CODECS: types.RouterRtpCodecCapability[] = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
  {
    kind: 'video',
    mimeType: 'video/H264',
    clockRate: 90_000,
    parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
  },
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 },
  { kind: 'video', mimeType: 'video/VP9', clockRate: 90_000, parameters: { 'profile-id': 0 } },
  { kind: 'video', mimeType: 'video/AV1', clockRate: 90_000 },
]

/** Codecs whose simulcast layers mediasoup can switch. */
const SIMULCAST = ['video/vp8', 'video/h264']

/**
 * Refuses what mediasoup would accept and viewers could not watch, and codecs that no router forwards.
 * @throws CodedError `codec_not_supported` (415), `layers_not_supported` (415)
 */
export function refuseUnforwardable(
  kind: types.MediaKind,
  { codecs, encodings = [] }: types.RtpParameters,
): void {
  const [codec] = codecs
  const mimeType = codec?.mimeType.toLowerCase() ?? ''
  const forwarded = ROUTER_CODECS.filter((each) => each.kind === kind).map((each) => each.mimeType)
  if (!forwarded.some((each) => each.toLowerCase() === mimeType))
    throw new CodedError('codec_not_supported', `the hub can not forward ${codec?.mimeType ?? 'that'}`, {
      details: [`it forwards ${forwarded.join(', ')}`],
    })
  if (encodings.length > 1 && !SIMULCAST.includes(mimeType))
    throw new CodedError('layers_not_supported', `${codec?.mimeType} can not be sent as simulcast here`, {
      details: ['simulcast: VP8 or H264', 'VP9 may be sent as one encoding with SVC, e.g. L3T3_KEY'],
    })
  const spatial = spatialLayersOf(encodings[0]?.scalabilityMode)
  if (mimeType === 'video/av1' && spatial > 1)
    throw new CodedError('layers_not_supported', 'AV1 is forwarded with one spatial layer only', {
      details: ['send L1T1, L1T2 or L1T3'],
    })
}

/**
 * Refuses pictures in another codec than the contract asks for.
 * @throws CodedError `codec_not_supported` (415)
 */
export function refuseOtherCodec(
  asked: 'h264' | undefined,
  kind: types.MediaKind,
  { codecs }: Pick<types.RtpParameters, 'codecs'>,
): void {
  const mimeType = codecs[0]?.mimeType ?? 'none'
  if (asked === undefined || kind !== 'video' || mimeType.toLowerCase() === `video/${asked}`) return
  throw new CodedError(
    'codec_not_supported',
    `${mimeType} can't be an input of a stream with several inputs`,
    {
      details: [
        'inputs of a switched stream are H.264: send video/H264, as `video_codec` of the contract says',
      ],
    },
  )
}

/** Number of sizes in one encoding (W3C webrtc-svc, `scalabilityMode`). */
export function spatialLayersOf(scalabilityMode = ''): number {
  return Number(/^[LS](\d)/.exec(scalabilityMode)?.[1] ?? 1)
}
