import type { types } from 'mediasoup'
import { CodedError } from '../../common/errors.ts'
import type { AnsweredMedia } from './answer.ts'
import { canBePublished, changesFor, describe, takenAs } from './codec-fit.ts'
import type { OfferedCodec } from './codecs.ts'
import type { Offer, OfferedExtension, OfferedLayer, OfferedMedia } from './offer.ts'
import { badSdp } from './session-description.ts'

/** Most simulcast layers that are accepted. */
const MAX_LAYERS = 4
/** Names of layers from the smallest on, as clients call them. In OBS, 0 is the largest layer. */
const LAYER_NAMES = [
  ['q', 'h', 'f'],
  ['l', 'm', 'h'],
  ['low', 'medium', 'high'],
  ['low', 'mid', 'high'],
  ['lo', 'mid', 'hi'],
  ['3', '2', '1', '0'],
]

/** One track of a publisher: the parameters for mediasoup, and the answer for the publisher. */
export interface PublishedTrack {
  readonly kind: 'audio' | 'video'
  readonly rtpParameters: types.RtpParameters
  readonly answer: AnsweredMedia
}

/**
 * What is accepted of an offer: at most one track of sound and one of pictures, each with the first of its codecs that
 * the hub forwards.
 * @param supported what the routers forward
 * @param cname ties the two tracks together for viewers' lip sync
 * @throws CodedError `bad_sdp` (400), `too_many_tracks` (422), `no_common_codec` (406)
 */
export function publishedTracks(
  offer: Offer,
  supported: types.RtpCapabilities,
  cname: string,
): PublishedTrack[] {
  const sent = offer.sections.filter(
    (section) =>
      section.kind !== null && (section.direction === 'sendonly' || section.direction === 'sendrecv'),
  ) as OfferedMedia[]
  if (sent.length === 0)
    throw badSdp(['no media section sends anything: a publisher offers a=sendonly or a=sendrecv'])
  for (const kind of ['audio', 'video'] as const)
    if (sent.filter((section) => section.kind === kind).length > 1)
      throw new CodedError('too_many_tracks', `a stream has one track of ${kind}`, {
        details: [`the offer sends several of ${kind}: publish them as streams of their own`],
      })
  refuseRepeated(sent)
  return sent.map((section) => trackOf(section, supported, cname))
}

/** The same routers for a publisher whose pictures must have this codec. */
export function onlyVideo(supported: types.RtpCapabilities, codec: 'h264'): types.RtpCapabilities {
  const mimeType = `video/${codec}`
  const codecs = (supported.codecs ?? []).filter(
    ({ kind, mimeType: each }) =>
      kind !== 'video' || each.toLowerCase() === mimeType || each.toLowerCase() === 'video/rtx',
  )
  return { ...supported, codecs }
}

/** The ids of tracks and layers must differ, or their packets could not be told apart. */
function refuseRepeated(sent: readonly OfferedMedia[]): void {
  const ssrcs = sent.flatMap(({ ssrc }) =>
    ssrc ? [ssrc.media, ...(ssrc.rtx === null ? [] : [ssrc.rtx])] : [],
  )
  const repeated = ssrcs.find((ssrc, index) => ssrcs.indexOf(ssrc) !== index)
  if (repeated !== undefined) throw badSdp([`a=ssrc:${repeated}: names two streams`])
  for (const { mid, sends } of sent) {
    const rids = sends.map(({ rid }) => rid)
    if (new Set(rids).size < rids.length)
      throw badSdp([`media section with mid ${mid}: a=simulcast names a layer twice`])
  }
}

function trackOf(section: OfferedMedia, supported: types.RtpCapabilities, cname: string): PublishedTrack {
  const codec = chosenCodec(section, supported)
  const extensions = sharedExtensions(section, supported)
  const feedback = sharedFeedback(codec, supported, extensions)
  const layers = ascending(section.sends)
  if (layers.length > MAX_LAYERS)
    throw new CodedError('too_many_layers', `at most ${MAX_LAYERS} layers of simulcast are taken`, {
      details: [`media section with mid ${section.mid}: a=simulcast names ${layers.length}`],
    })
  return {
    kind: section.kind,
    rtpParameters: {
      mid: section.mid,
      codecs: [
        {
          mimeType: codec.mimeType,
          payloadType: codec.payloadType,
          clockRate: codec.clockRate,
          ...(codec.channels === undefined ? {} : { channels: codec.channels }),
          parameters: declaredParameters(codec),
          rtcpFeedback: feedback,
        },
        ...(codec.rtx === null
          ? []
          : [
              {
                mimeType: 'video/rtx',
                payloadType: codec.rtx,
                clockRate: codec.clockRate,
                parameters: { apt: codec.payloadType },
                rtcpFeedback: [],
              },
            ]),
      ],
      headerExtensions: extensions.map(({ id, uri }) => ({ id, uri: uri as types.RtpHeaderExtensionUri })),
      encodings: encodingsOf(section, layers),
      rtcp: { cname },
    },
    answer: {
      kind: section.kind,
      mid: section.mid,
      direction: 'recvonly',
      codec,
      feedback,
      rtx: codec.rtx,
      extensions,
      // In the order of the offer: an answer with another order would mean something about pausing.
      receives: section.sends.map(({ rid }) => rid),
      msid: null,
    },
  }
}

/** The first codec that the hub forwards; of several H.264 codecs, the one that most decoders accept. */
function chosenCodec(section: OfferedMedia, supported: types.RtpCapabilities): OfferedCodec {
  const known = section.codecs.filter((codec) => forwards(codec, supported))
  const [first] = known
  if (!first) {
    const available = (supported.codecs ?? [])
      .filter(({ kind, mimeType }) => kind === section.kind && !mimeType.endsWith('/rtx'))
      .map(({ mimeType }) => mimeType)
    const named = section.codecs.filter(({ mimeType }) => available.includes(mimeType))
    throw new CodedError(
      'no_common_codec',
      `the hub forwards none of the offered codecs of ${section.kind}`,
      {
        details: [
          `offered: ${describe(section.codecs, available)}`,
          `available: ${[...new Set(available.map(takenAs))].join(', ')}`,
          ...changesFor(named, canBePublished),
        ],
      },
    )
  }
  return first.mimeType === 'video/H264' ? simplestH264(known) : first
}

function forwards(codec: OfferedCodec, supported: types.RtpCapabilities): boolean {
  return (
    canBePublished(codec) &&
    (supported.codecs ?? []).some(({ mimeType }) => mimeType.toLowerCase() === codec.mimeType.toLowerCase())
  )
}

/** Constrained baseline before other profiles, and packets that may be fragments (mode 1) before those that may not. */
export function simplestH264(codecs: readonly OfferedCodec[]): OfferedCodec {
  const rank = ({ parameters }: OfferedCodec): number => {
    const profile = String(parameters['profile-level-id'] ?? '42000a').toLowerCase()
    const mode = Number(parameters['packetization-mode'] ?? 0) === 1 ? 0 : 10
    return (
      mode + (/^42[c-f]0/.test(profile) ? 0 : profile.startsWith('42') ? 1 : profile.startsWith('4d') ? 2 : 3)
    )
  }
  const h264 = codecs.filter(({ mimeType }) => mimeType === 'video/H264')
  return h264.toSorted((a, b) => rank(a) - rank(b))[0]!
}

/** H.264 is declared alike whatever its profile, see router-codecs.ts. The answer repeats the publisher's words. */
function declaredParameters({ mimeType, parameters }: OfferedCodec): Record<string, string | number> {
  if (mimeType === 'video/H264')
    return { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 }
  return mimeType.startsWith('video/') ? {} : { ...parameters }
}

function sharedExtensions(section: OfferedMedia, supported: types.RtpCapabilities): OfferedExtension[] {
  const taken = (supported.headerExtensions ?? [])
    .filter(({ kind, direction }) => kind === section.kind && direction !== 'sendonly')
    .map(({ uri }) => String(uri))
  const seen = new Set<string>()
  return section.extensions.filter(({ uri }) => {
    if (!taken.includes(uri) || seen.has(uri)) return false
    seen.add(uri)
    return true
  })
}

/** With sequence numbers over the whole transport (transport-cc), REMB would only be noise. */
function sharedFeedback(
  { mimeType, feedback }: OfferedCodec,
  supported: types.RtpCapabilities,
  extensions: readonly OfferedExtension[],
): types.RtcpFeedback[] {
  const known = (supported.codecs ?? []).find(({ mimeType: name }) => name === mimeType)?.rtcpFeedback ?? []
  const shared = feedback.filter(({ type, parameter }) =>
    known.some((each) => each.type === type && (each.parameter ?? '') === (parameter ?? '')),
  )
  const transportCc =
    shared.some(({ type }) => type === 'transport-cc') &&
    extensions.some(({ uri }) => uri.includes('transport-wide-cc'))
  return shared.filter(({ type }) => type !== (transportCc ? 'goog-remb' : 'transport-cc'))
}

function encodingsOf({ ssrc }: OfferedMedia, layers: readonly OfferedLayer[]): types.RtpEncodingParameters[] {
  if (layers.length > 0) return layers.map(({ rid }) => ({ rid }))
  if (!ssrc) return [{}]
  return [{ ssrc: ssrc.media, ...(ssrc.rtx === null ? {} : { rtx: { ssrc: ssrc.rtx } }) }]
}

/**
 * Layers from the smallest picture on, as mediasoup counts them: by their restrictions, else by the names that clients
 * give them, else in the order of the offer, because browsers offer the smallest first.
 */
export function ascending(layers: readonly OfferedLayer[]): readonly OfferedLayer[] {
  for (const name of ['max-width', 'max-height', 'max-fs', 'max-br'])
    if (layers.every(({ restrictions }) => restrictions[name] !== undefined))
      return layers.toSorted((a, b) => a.restrictions[name]! - b.restrictions[name]!)
  const names = LAYER_NAMES.find((known) => layers.every(({ rid }) => known.includes(rid.toLowerCase())))
  const place = ({ rid }: OfferedLayer) => names!.indexOf(rid.toLowerCase())
  return names ? layers.toSorted((a, b) => place(a) - place(b)) : layers
}
