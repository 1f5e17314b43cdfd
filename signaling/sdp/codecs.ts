import type { types } from 'mediasoup'
import type { MediaDescription } from './session-description.ts'

/** One payload type of a media section. */
export interface OfferedCodec {
  readonly payloadType: number
  /** As the router spells it (`video/H264`), for codecs that the router knows. */
  readonly mimeType: string
  readonly clockRate: number
  readonly channels: number | undefined
  /** `a=fmtp` as offered, for the answer; empty without one. */
  readonly format: string
  readonly parameters: Readonly<Record<string, string | number>>
  readonly feedback: readonly types.RtcpFeedback[]
  /** Payload type of the codec's retransmissions, RFC 4588; null without retransmissions. */
  readonly rtx: number | null
}

/** mediasoup's names of codecs. */
const NAMES: Readonly<Record<string, string>> = {
  opus: 'opus',
  h264: 'H264',
  vp8: 'VP8',
  vp9: 'VP9',
  av1: 'AV1',
  av1x: 'AV1',
}
/** Payload types that only help other codecs are no codecs of their own here, and neither are static ones. */
const HELPERS = ['rtx', 'red', 'ulpfec', 'flexfec-03', 'telephone-event', 'cn']

/** The codecs of a section, in the order of the m= line. */
export function codecsOf(media: MediaDescription): OfferedCodec[] {
  const order = (media.payloads ?? '').split(' ').map(Number)
  return order.flatMap((payloadType) => {
    const map = media.rtp.find(({ payload }) => payload === payloadType)
    if (map?.rate === undefined || HELPERS.includes(map.codec.toLowerCase())) return []
    const format = formatOf(media, payloadType)
    return [
      {
        payloadType,
        mimeType: `${media.type}/${NAMES[map.codec.toLowerCase()] ?? map.codec}`,
        clockRate: map.rate,
        channels: media.type === 'audio' ? (map.encoding ?? 1) : undefined,
        format,
        parameters: parametersOf(format),
        feedback: feedbackOf(media, payloadType),
        rtx: rtxOf(media, payloadType),
      },
    ]
  })
}

function formatOf(media: MediaDescription, payloadType: number): string {
  return media.fmtp.find(({ payload }) => payload === payloadType)?.config ?? ''
}

function parametersOf(format: string): Record<string, string | number> {
  const pairs = format.split(';').map((pair) => pair.trim().split('=', 2))
  return Object.fromEntries(
    pairs.flatMap(([name = '', value]) =>
      /^[A-Za-z0-9_-]{1,64}$/.test(name) && value !== undefined
        ? [[name, /^\d{1,9}$/.test(value) && name !== 'profile-level-id' ? Number(value) : value]]
        : [],
    ),
  )
}

function feedbackOf(media: MediaDescription, payloadType: number): types.RtcpFeedback[] {
  return media.rtcpFb
    .filter(({ payload }) => payload === payloadType || payload === '*')
    .map(({ type, subtype }) => ({ type, parameter: subtype ?? '' }))
}

function rtxOf(media: MediaDescription, payloadType: number): number | null {
  const repair = media.rtp.find(
    ({ codec, payload }) =>
      codec.toLowerCase() === 'rtx' && Number(parametersOf(formatOf(media, payload)).apt) === payloadType,
  )
  return repair?.payload ?? null
}
