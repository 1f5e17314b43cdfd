import type { types } from 'mediasoup'
import { write } from 'sdp-transform'
import type { OfferedCodec } from './codecs.ts'
import type { Offer, OfferedExtension, OtherSection } from './offer.ts'

/** The answer to one section of the offer. Sections without an answer here are rejected. */
export interface AnsweredMedia {
  readonly kind: 'audio' | 'video'
  readonly mid: string
  readonly direction: 'recvonly' | 'sendonly'
  /** As it was offered: payload type and parameters are the offerer's. */
  readonly codec: OfferedCodec
  readonly feedback: readonly types.RtcpFeedback[]
  readonly rtx: number | null
  readonly extensions: readonly OfferedExtension[]
  /** Accepted simulcast layers, in the order of the offer; RFC 8853. */
  readonly receives: readonly string[]
  /** The stream and track as which this section plays; null where nothing is sent. */
  readonly msid: string | null
  /** What is sent now, RFC 5576: some clients accept no other source. Left out where nothing is sent yet. */
  readonly source?: { readonly ssrc: number; readonly cname: string }
  /** Most that the client may send, kb/s. */
  readonly maxKbps?: number
}

/** The hub's own end of a transport. */
export type TransportEnd = Pick<types.WebRtcTransport, 'iceParameters' | 'iceCandidates' | 'dtlsParameters'>

type WrittenMedia = Parameters<typeof write>[0]['media'][number]

/** Writes the answer to an offer: one section for each of the offer's, all over one transport; RFC 8829, RFC 9143. */
export function writeAnswer(
  offer: Offer,
  transport: TransportEnd,
  answered: readonly AnsweredMedia[],
): string {
  const byMid = new Map(answered.map((media) => [media.mid, media]))
  const mids = offer.sections.flatMap(({ mid }) => (mid !== null && byMid.has(mid) ? [mid] : []))
  return write({
    version: 0,
    origin: {
      username: '-',
      sessionId: Date.now(),
      sessionVersion: 1,
      netType: 'IN',
      ipVer: 4,
      address: '127.0.0.1',
    },
    name: '-',
    timing: { start: 0, stop: 0 },
    icelite: 'ice-lite',
    iceOptions: 'trickle',
    ...(offer.extmapAllowMixed ? { extmapAllowMixed: 'extmap-allow-mixed' } : {}),
    groups: [{ type: 'BUNDLE', mids: mids.join(' ') }],
    msidSemantic: { semantic: 'WMS', token: '*' },
    media: offer.sections.map((section) => {
      const media = section.mid === null ? undefined : byMid.get(section.mid)
      return media ? sectionOf(media, offer, transport) : rejectionOf(section)
    }),
  })
}

function sectionOf(media: AnsweredMedia, offer: Offer, transport: TransportEnd): WrittenMedia {
  const { codec, rtx, receives, source, maxKbps } = media
  const { payloadType, clockRate, channels } = codec
  const { iceParameters, iceCandidates, dtlsParameters } = transport
  const fingerprint =
    dtlsParameters.fingerprints.find(({ algorithm }) => algorithm === 'sha-256') ??
    dtlsParameters.fingerprints[0]!
  return {
    type: media.kind,
    port: 9,
    protocol: 'UDP/TLS/RTP/SAVPF',
    payloads: rtx === null ? String(payloadType) : `${payloadType} ${rtx}`,
    connection: { version: 4, ip: '0.0.0.0' },
    ...(maxKbps === undefined ? {} : { bandwidth: [{ type: 'AS', limit: maxKbps }] }),
    mid: media.mid,
    direction: media.direction,
    rtcpMux: 'rtcp-mux',
    rtcpRsize: 'rtcp-rsize',
    iceUfrag: iceParameters.usernameFragment,
    icePwd: iceParameters.password,
    fingerprint: { type: fingerprint.algorithm, hash: fingerprint.value },
    setup: offer.dtls.role === 'server' ? 'active' : 'passive',
    ...(media.msid === null ? {} : { msid: [{ id: media.msid, appdata: `${media.msid}-${media.kind}` }] }),
    rtp: [
      {
        payload: payloadType,
        codec: codec.mimeType.split('/')[1]!,
        rate: clockRate,
        ...(channels === undefined || channels === 1 ? {} : { encoding: channels }),
      },
      ...(rtx === null ? [] : [{ payload: rtx, codec: 'rtx', rate: clockRate }]),
    ],
    fmtp: [
      ...(codec.format === '' ? [] : [{ payload: payloadType, config: codec.format }]),
      ...(rtx === null ? [] : [{ payload: rtx, config: `apt=${payloadType}` }]),
    ],
    rtcpFb: media.feedback.map(({ type, parameter }) => ({
      payload: payloadType,
      type,
      ...(parameter ? { subtype: parameter } : {}),
    })),
    ...(source === undefined
      ? {}
      : { ssrcs: [{ id: source.ssrc, attribute: 'cname', value: source.cname }] }),
    ext: media.extensions.map(({ id, uri }) => ({ value: id, uri })),
    ...(receives.length === 0
      ? {}
      : {
          rids: receives.map((id) => ({ id, direction: 'recv' })),
          simulcast: { dir1: 'recv', list1: receives.join(';') },
        }),
    candidates: candidatesOf(iceCandidates),
    endOfCandidates: 'end-of-candidates',
  }
}

/** ICE candidates in the form that sdp-transform writes. */
export function candidatesOf(candidates: readonly types.IceCandidate[]) {
  return candidates.map(({ foundation, protocol, priority, address, port, type, tcpType }) => ({
    foundation,
    component: 1,
    transport: protocol,
    priority,
    ip: address,
    port,
    type,
    ...(tcpType === undefined ? {} : { tcptype: tcpType }),
  }))
}

function rejectionOf(section: Offer['sections'][number]): WrittenMedia {
  const { type, protocol, formats } = section.kind === null ? section : rejectedMedia(section)
  return {
    type,
    port: 0,
    protocol,
    payloads: formats,
    connection: { version: 4, ip: '0.0.0.0' },
    ...(section.mid === null ? {} : { mid: section.mid }),
    direction: 'inactive',
    rtp: [],
    fmtp: [],
  }
}

function rejectedMedia({
  kind,
  codecs,
}: Exclude<Offer['sections'][number], OtherSection>): Pick<OtherSection, 'type' | 'protocol' | 'formats'> {
  return {
    type: kind,
    protocol: 'UDP/TLS/RTP/SAVPF',
    formats: String(codecs[0]?.payloadType ?? 0),
  }
}
