import type { OfferedCodec } from './codecs.ts'

/** The parts of a codec that decide whether two ends understand each other. */
type Kind = Pick<OfferedCodec, 'mimeType' | 'clockRate' | 'channels' | 'parameters'>

/** What a codec must say beside its name, and where it says so. */
interface Demand {
  /** The words of the offer, for people: `packetization-mode 0`. */
  readonly says: string
  readonly fits: boolean
  /** What the offer must say instead, and why. */
  readonly change: string
}

/** Whether media of this payload type can be sent to a client that offers it. */
export function canBeViewed(codec: Kind): boolean {
  return demandOf(codec)?.fits ?? codec.clockRate === 90_000
}

/**
 * Whether media of this payload type is accepted from a client that offers it. H.264 in single packets (mode 0) is
 * accepted, because packets are forwarded as they come.
 */
export function canBePublished(codec: Kind): boolean {
  return codec.mimeType === 'video/H264' ? codec.clockRate === 90_000 : canBeViewed(codec)
}

/** A line with the needed change for each offered codec that fits by its name but not by its parameters. */
export function changesFor(codecs: readonly Kind[], fits: (codec: Kind) => boolean): string[] {
  return [
    ...new Set(
      codecs
        .filter((codec) => !fits(codec))
        .flatMap((codec) => demandOf(codec)?.change ?? `${nameOf(codec)}: a=rtpmap must say 90000`),
    ),
  ]
}

/**
 * Names of codecs for messages: `H264, VP8`. Codecs in `decisive` also get the parameters that decide: `H264
 * (packetization-mode 0, profile-level-id 42e01f), VP8`.
 */
export function describe(codecs: readonly Kind[], decisive: readonly string[]): string {
  const words = codecs.map((codec) => {
    const says = decisive.includes(codec.mimeType) ? demandOf(codec)?.says : undefined
    return says === undefined ? nameOf(codec) : `${nameOf(codec)} (${says})`
  })
  return [...new Set(words)].join(', ') || 'none'
}

/** The form in which a stream's codec is available. */
export function availableAs(mimeType: string): string {
  const name = nameOf({ mimeType })
  switch (mimeType) {
    case 'video/H264':
      return `${name} (packetization-mode 1, any profile-level-id)`
    case 'video/VP9':
      return `${name} (profile-id 0)`
    case 'video/AV1':
      return `${name} (profile 0)`
    case 'audio/opus':
      return `${name} (48000/2)`
    default:
      return name
  }
}

/** The form in which a codec is accepted from publishers: H.264 in any packets. */
export function takenAs(mimeType: string): string {
  return mimeType === 'video/H264' ? nameOf({ mimeType }) : availableAs(mimeType)
}

/** null for codecs that need no parameters beside name and clock rate. */
function demandOf({ mimeType, clockRate, channels, parameters }: Kind): Demand | null {
  const name = nameOf({ mimeType })
  const video = clockRate === 90_000
  switch (mimeType) {
    case 'audio/opus':
      return {
        says: `${clockRate}/${channels ?? 1}`,
        fits: clockRate === 48_000 && channels === 2,
        change: `${name}: a=rtpmap must say opus/48000/2, however many channels the sound has (RFC 7587 section 7)`,
      }
    case 'video/H264': {
      const mode = Number(parameters['packetization-mode'] ?? 0)
      const level = parameters['profile-level-id']
      return {
        says: `packetization-mode ${mode}${level === undefined ? '' : `, profile-level-id ${level}`}`,
        // GStreamer's players say nothing of packets, and put fragments together.
        fits: video && (mode === 1 || Object.keys(parameters).length === 0),
        change: `${name}: offer it with packetization-mode=1 as well: its pictures come in fragments, which mode 0 has not (RFC 6184 section 6.2)`,
      }
    }
    case 'video/VP9':
    case 'video/AV1': {
      // With more than 8 bits, or with less subsampling of chroma, they play in few browsers.
      const field = mimeType === 'video/VP9' ? 'profile-id' : 'profile'
      const profile = Number(parameters[field] ?? 0)
      return {
        says: `${field} ${profile}`,
        fits: video && profile === 0,
        change: `${name}: offer it with ${field}=0 (8 bits, 4:2:0), or without ${field}`,
      }
    }
    default:
      return null
  }
}

function nameOf({ mimeType }: Pick<Kind, 'mimeType'>): string {
  return mimeType.split('/')[1] ?? mimeType
}
