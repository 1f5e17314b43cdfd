import type { types } from 'mediasoup'
import { CodedError } from '../../common/errors.ts'
import type { AnsweredMedia } from './answer.ts'
import { availableAs, canBeViewed, changesFor, describe } from './codec-fit.ts'
import type { OfferedCodec } from './codecs.ts'
import type { Offer, OfferedMedia } from './offer.ts'
import { simplestH264 } from './published-tracks.ts'
import { badSdp } from './session-description.ts'

/** The codecs of a stream, as far as they are known: MIME types as routers spell them. */
export interface StreamCodecs {
  readonly audio: string | null
  readonly video: string | null
}

/** How a stream is sent to one client: in the client's own payload types. */
export interface ViewedTracks {
  /** For a router that sends these payload types. */
  readonly routerCodecs: readonly types.RouterRtpCodecCapability[]
  /** For consumers on such a router. */
  readonly capabilities: types.RtpCapabilities
  /** The mid that consumers of each kind write into their packets. */
  readonly mids: Readonly<Partial<Record<types.MediaKind, string>>>
  readonly answers: readonly AnsweredMedia[]
}

/** Sound is always Opus here. A stream without sound may get sound later. */
const OPUS = 'audio/opus'
const H264_PARAMETERS = {
  'packetization-mode': 1,
  'profile-level-id': '42e01f',
  'level-asymmetry-allowed': 1,
}
/** The same for a player that said nothing of it. */
const H264_FORMAT = Object.entries(H264_PARAMETERS)
  .map((pair) => pair.join('='))
  .join(';')
/** Longest mid that mediasoup writes, bytes. */
const MAX_MID_BYTES = 8
/** Forward error correction and RTX would need streams of their own: lost packets are sent again as they were. */
const FEEDBACK: Readonly<Record<types.MediaKind, readonly string[]>> = {
  audio: [],
  video: ['nack', 'nack pli', 'ccm fir', 'goog-remb', 'transport-cc'],
}

/**
 * The client's payload types with which a stream is sent. At most one section of each kind is served, the first that
 * receives.
 * @param extensions header extensions that routers write, with their ids. The client's ids must be the same, because
 * routers can't write others.
 * @throws CodedError `bad_sdp` (400), `no_common_codec` (406)
 */
export function viewedTracks(
  offer: Offer,
  stream: StreamCodecs,
  extensions: readonly types.RtpHeaderExtension[],
  msid: string,
): ViewedTracks {
  const wanted = (['audio', 'video'] as const).flatMap((kind) => {
    const section = offer.sections.find(
      (each): each is OfferedMedia =>
        each.kind === kind && (each.direction === 'recvonly' || each.direction === 'sendrecv'),
    )
    return section ? [section] : []
  })
  if (wanted.length === 0)
    throw badSdp(['no media section receives anything: a viewer offers a=recvonly or a=sendrecv'])
  refuseWithoutCommonCodec(wanted, stream)
  const tracks = wanted.flatMap((section) => {
    const codec = codecFor(section, stream)
    return codec ? [trackOf(section, codec, extensions, msid)] : []
  })
  const payloadTypes = tracks.map(({ routerCodec }) => routerCodec.preferredPayloadType)
  if (new Set(payloadTypes).size < payloadTypes.length)
    throw badSdp([
      `payload type ${payloadTypes[0]}: sections of one transport must have payload types of their own`,
    ])
  return {
    routerCodecs: tracks.map(({ routerCodec }) => routerCodec),
    capabilities: {
      codecs: tracks.map(({ capability }) => capability),
      headerExtensions: tracks.flatMap((track) => track.extensions),
    },
    mids: Object.fromEntries(tracks.flatMap(({ answer: { kind, mid } }) => (fits(mid) ? [[kind, mid]] : []))),
    answers: tracks.map(({ answer }) => answer),
  }
}

/** A client that asks for pictures gets them or a refusal, never a black picture. */
function refuseWithoutCommonCodec(wanted: readonly OfferedMedia[], stream: StreamCodecs): void {
  const missing = wanted.filter(
    (section) => mimeTypeOf(section, stream) !== null && !codecFor(section, stream),
  )
  const servable = wanted.some((section) => codecFor(section, stream))
  const nothing = wanted.every((section) => stream[section.kind] === null)
  if (missing.length === 0 && servable && !nothing) return
  const has = (['video', 'audio'] as const).flatMap((kind) => stream[kind] ?? [])
  throw new CodedError('no_common_codec', 'the offer can receive nothing of what the stream has', {
    details: [
      `available: ${has.map(availableAs).join(', ') || 'none'}`,
      ...wanted.map((section) => `offered for ${section.kind}: ${describe(section.codecs, has)}`),
      ...changesFor(
        missing.flatMap(({ codecs }) => codecs.filter(({ mimeType }) => has.includes(mimeType))),
        canBeViewed,
      ),
    ],
  })
}

function mimeTypeOf({ kind }: OfferedMedia, stream: StreamCodecs): string | null {
  return stream[kind] ?? (kind === 'audio' ? OPUS : null)
}

function codecFor(section: OfferedMedia, stream: StreamCodecs): OfferedCodec | undefined {
  const mimeType = mimeTypeOf(section, stream)
  const fitting = section.codecs.filter((codec) => codec.mimeType === mimeType && canBeViewed(codec))
  return mimeType === 'video/H264' && fitting.length > 0 ? simplestH264(fitting) : fitting[0]
}

function trackOf(
  section: OfferedMedia,
  codec: OfferedCodec,
  written: readonly types.RtpHeaderExtension[],
  msid: string,
) {
  const { kind, mid } = section
  const { mimeType, clockRate, channels, payloadType } = codec
  const extensions = written.filter(
    (each) =>
      each.kind === kind &&
      (each.direction === 'sendrecv' || each.direction === 'sendonly') &&
      section.extensions.some(({ id, uri }) => id === each.preferredId && uri === each.uri) &&
      (!each.uri.endsWith('sdes:mid') || fits(mid)),
  )
  const estimates = (name: string) => extensions.some(({ uri }) => uri.includes(name))
  const feedback = codec.feedback.filter(({ type, parameter }) => {
    if (type === 'transport-cc') return estimates('transport-wide-cc') && FEEDBACK[kind].includes(type)
    if (type === 'goog-remb') return !estimates('transport-wide-cc') && estimates('abs-send-time')
    return FEEDBACK[kind].includes(parameter ? `${type} ${parameter}` : type)
  })
  const routerCodec: types.RouterRtpCodecCapability = {
    kind,
    mimeType,
    clockRate,
    preferredPayloadType: payloadType,
    ...(kind === 'audio' ? { channels: channels ?? 2 } : {}),
    ...(mimeType === 'video/H264' ? { parameters: H264_PARAMETERS } : {}),
    ...(mimeType === 'video/VP9' ? { parameters: { 'profile-id': 0 } } : {}),
  }
  const capability: types.RtpCodecCapability = {
    ...routerCodec,
    preferredPayloadType: payloadType,
    rtcpFeedback: feedback,
  }
  const answer: AnsweredMedia = {
    kind,
    mid,
    direction: 'sendonly',
    codec: mimeType === 'video/H264' && codec.format === '' ? { ...codec, format: H264_FORMAT } : codec,
    feedback,
    rtx: null,
    extensions: extensions.map(({ preferredId, uri }) => ({ id: preferredId, uri })),
    receives: [],
    msid,
  }
  return { routerCodec, capability, extensions, answer }
}

function fits(mid: string): boolean {
  return Buffer.byteLength(mid) <= MAX_MID_BYTES
}
