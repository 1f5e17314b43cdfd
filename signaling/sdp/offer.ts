import type { types } from 'mediasoup'
import { codecsOf, type OfferedCodec } from './codecs.ts'
import {
  badSdp,
  type MediaDescription,
  readSessionDescription,
  type SessionDescription,
  sectionName,
} from './session-description.ts'

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

export interface OfferedExtension {
  readonly id: number
  readonly uri: string
}

/** One media section of an offer, with sound or pictures. */
export interface OfferedMedia {
  readonly kind: 'audio' | 'video'
  /** Unique in the offer. */
  readonly mid: string
  /** The offerer's direction; `inactive` for a section with port 0. */
  readonly direction: Direction
  /** In the offerer's order of preference. */
  readonly codecs: readonly OfferedCodec[]
  readonly extensions: readonly OfferedExtension[]
  /** SSRCs of the media and of its repair stream, where the offer names them; RFC 5576, RFC 4588. */
  readonly ssrc: { readonly media: number; readonly rtx: number | null } | null
  /** Simulcast layers that the offerer sends, in its order; RFC 8853. Empty without simulcast. */
  readonly sends: readonly OfferedLayer[]
}

export interface OfferedLayer {
  readonly rid: string
  /** Restrictions of RFC 8851, as offered: `max-width`, `max-br`… */
  readonly restrictions: Readonly<Record<string, number>>
}

/** A section that can't be served: data channels, and sections that the offer itself rejects. */
export interface OtherSection {
  readonly kind: null
  readonly type: string
  readonly protocol: string
  readonly formats: string
  readonly mid: string | null
}

export interface Offer {
  /** In the order of the offer. The answer has one section for each. */
  readonly sections: readonly (OfferedMedia | OtherSection)[]
  readonly ice: { readonly usernameFragment: string; readonly password: string }
  /** The offerer's end. An offerer that leaves the role open (`actpass`) becomes the client. */
  readonly dtls: types.DtlsParameters & { readonly role: 'client' | 'server' }
  readonly extmapAllowMixed: boolean
}

const ALGORITHMS = ['sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512'] as const
const PROTOCOLS = ['UDP/TLS/RTP/SAVPF', 'TCP/DTLS/RTP/SAVPF', 'TCP/TLS/RTP/SAVPF', 'RTP/SAVPF']
const ROLES: Readonly<Record<string, Offer['dtls']['role']>> = {
  actpass: 'client',
  active: 'client',
  passive: 'server',
}

/**
 * Reads a WebRTC offer, RFC 8829: all sections over one transport (BUNDLE, RFC 9143), ICE and DTLS.
 * @throws CodedError `bad_sdp` (400) with what is wrong and where
 */
export function readOffer(text: string): Offer {
  const session = readSessionDescription(text)
  const wrong: string[] = []
  const used = session.media
    .map((media, index) => ({ media, name: sectionName(index, media) }))
    .filter(({ media }) => isServed(media))
  if (used.length === 0) throw badSdp(['there is no media section of audio or video'])
  for (const { media, name } of used) wrong.push(...wrongIn(media, session).map((what) => `${name}: ${what}`))
  wrong.push(...wrongMids(used), ...wrongBundle(used, session))
  if (wrong.length > 0) throw badSdp(wrong.slice(0, 10))

  // All sections are bundled: they share the first section's transport.
  const tagged = used[0]!.media
  const fingerprint = tagged.fingerprint ?? session.fingerprint!
  return {
    sections: session.media.map((media) => (isServed(media) ? mediaOf(media, session) : otherOf(media))),
    ice: {
      usernameFragment: tagged.iceUfrag ?? session.iceUfrag!,
      password: tagged.icePwd ?? session.icePwd!,
    },
    dtls: {
      role: ROLES[tagged.setup ?? session.setup ?? 'actpass']!,
      fingerprints: [
        {
          algorithm: ALGORITHMS.find((each) => each === fingerprint.type.toLowerCase())!,
          value: fingerprint.hash.toUpperCase(),
        },
      ],
    },
    extmapAllowMixed: session.extmapAllowMixed !== undefined,
  }
}

/** Sections with port 0 are rejected, unless BUNDLE gives them the transport of another section (`a=bundle-only`). */
function isServed(media: MediaDescription): boolean {
  return (
    (media.type === 'audio' || media.type === 'video') && (media.port !== 0 || media.bundleOnly !== undefined)
  )
}

function wrongIn(media: MediaDescription, session: SessionDescription): string[] {
  const wrong: string[] = []
  const has = (name: 'iceUfrag' | 'icePwd' | 'fingerprint') => media[name] ?? session[name]
  if (!PROTOCOLS.includes(media.protocol))
    wrong.push(`protocol ${media.protocol.slice(0, 32)}: must be UDP/TLS/RTP/SAVPF`)
  if (media.mid === undefined) wrong.push('a=mid is missing')
  if (media.rtcpMux === undefined) wrong.push('a=rtcp-mux is missing')
  if (has('iceUfrag') === undefined) wrong.push('a=ice-ufrag is missing')
  if (has('icePwd') === undefined) wrong.push('a=ice-pwd is missing')
  const fingerprint = has('fingerprint')
  if (typeof fingerprint !== 'object') wrong.push('a=fingerprint is missing')
  else if (!ALGORITHMS.some((each) => each === fingerprint.type.toLowerCase()))
    wrong.push(`a=fingerprint: the hash function must be one of ${ALGORITHMS.join(', ')}`)
  const setup = media.setup ?? session.setup ?? 'actpass'
  if (!Object.hasOwn(ROLES, setup)) wrong.push('a=setup: must be actpass, active or passive')
  return wrong
}

type Used = readonly { readonly media: MediaDescription; readonly name: string }[]

function wrongMids(used: Used): string[] {
  const seen = new Set<string>()
  return used.flatMap(({ media: { mid }, name }) => {
    if (mid === undefined) return []
    if (seen.has(mid)) return [`${name}: another section has the same a=mid`]
    seen.add(mid)
    return []
  })
}

function wrongBundle(used: Used, session: SessionDescription): string[] {
  if (used.length === 1) return []
  const bundle = session.groups.find(({ type }) => type === 'BUNDLE')
  const mids = bundle?.mids.trim().split(/\s+/) ?? []
  return used
    .filter(({ media: { mid } }) => mid !== undefined && !mids.includes(mid))
    .map(({ name }) => `${name}: must be in a=group:BUNDLE, as all media share one transport here`)
}

function mediaOf(media: MediaDescription, session: SessionDescription): OfferedMedia {
  return {
    kind: media.type === 'audio' ? 'audio' : 'video',
    mid: media.mid!,
    direction: media.direction ?? session.direction ?? 'sendrecv',
    codecs: codecsOf(media),
    extensions: media.ext.map(({ value, uri }) => ({ id: value, uri })),
    ssrc: ssrcOf(media),
    sends: layersOf(media),
  }
}

function otherOf({ type, protocol, payloads, mid }: MediaDescription): OtherSection {
  return { kind: null, type, protocol, formats: payloads ?? '0', mid: mid ?? null }
}

function ssrcOf({ ssrcs, ssrcGroups }: MediaDescription): OfferedMedia['ssrc'] {
  const flow = ssrcGroups
    .find(({ semantics }) => semantics === 'FID')
    ?.ssrcs.split(' ')
    .map(Number)
  const [media = ssrcs[0]?.id, rtx = null] = flow ?? []
  return media === undefined || !isSsrc(media) || (rtx !== null && !isSsrc(rtx)) ? null : { media, rtx }
}

function isSsrc(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value <= 0xffff_ffff
}

/** Of alternatives (`a,b`) only the first counts. `~` marks a layer that begins paused. */
function layersOf({ simulcast, rids }: MediaDescription): OfferedLayer[] {
  if (!simulcast) return []
  const list =
    simulcast.dir1 === 'send' ? simulcast.list1 : simulcast.dir2 === 'send' ? simulcast.list2 : undefined
  const named = list?.split(';').map((each) => each.split(',', 1)[0]!.replace(/^~/, '')) ?? []
  return named.flatMap((rid) => {
    const known = rids.find(({ id, direction }) => id === rid && direction === 'send')
    return known ? [{ rid, restrictions: restrictionsOf(known.params) }] : []
  })
}

function restrictionsOf(params: string | undefined): Record<string, number> {
  const pairs = (params ?? '').split(';').map((pair) => pair.split('=', 2))
  return Object.fromEntries(
    pairs.flatMap(([name = '', value]) =>
      /^max-[a-z-]+$/.test(name) && /^\d{1,12}$/.test(value ?? '') ? [[name, Number(value)]] : [],
    ),
  )
}
