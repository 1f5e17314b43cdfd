import type { StreamEntry } from './psi-tables.ts'

/** What an elementary stream is, as far as the ingress cares. */
export type ElementaryCodec =
  | { readonly media: 'video'; readonly codec: 'h264' }
  | { readonly media: 'video'; readonly codec: 'unsupported'; readonly name: string }
  | { readonly media: 'audio'; readonly codec: 'opus'; readonly channels: number }
  | { readonly media: 'audio'; readonly codec: 'aac' | 'aac-latm' }
  | { readonly media: 'audio'; readonly codec: 'unsupported'; readonly name: string }
  | { readonly media: 'other' }

const video = (name: string): ElementaryCodec => ({ media: 'video', codec: 'unsupported', name })
const audio = (name: string): ElementaryCodec => ({ media: 'audio', codec: 'unsupported', name })

/** stream_type values of ISO/IEC 13818-1 table 2-34, and private ones in common use. */
const byStreamType: ReadonlyMap<number, ElementaryCodec> = new Map<number, ElementaryCodec>([
  [0x01, video('MPEG-1 video')],
  [0x02, video('MPEG-2 video')],
  [0x03, audio('MPEG-1 audio (MP2/MP3)')],
  [0x04, audio('MPEG-2 audio (MP2/MP3)')],
  [0x0f, { media: 'audio', codec: 'aac' }],
  [0x10, video('MPEG-4 part 2 video')],
  [0x11, { media: 'audio', codec: 'aac-latm' }],
  [0x1b, { media: 'video', codec: 'h264' }],
  [0x1c, audio('raw MPEG-4 audio')],
  [0x21, video('JPEG 2000')],
  [0x24, video('HEVC (H.265)')],
  [0x27, video('HEVC (H.265)')],
  [0x32, video('JPEG XS')],
  [0x33, video('VVC (H.266)')],
  [0x42, video('AVS')],
  [0x80, audio('LPCM')],
  [0x81, audio('AC-3')],
  [0x82, audio('DTS')],
  [0x83, audio('TrueHD')],
  [0x84, audio('E-AC-3')],
  [0x87, audio('E-AC-3')],
  [0xd1, video('Dirac')],
  [0xea, video('VC-1')],
])

const byRegistration: ReadonlyMap<string, ElementaryCodec> = new Map([
  ['HEVC', video('HEVC (H.265)')],
  ['AV01', video('AV1')],
  ['VP09', video('VP9')],
  ['VC-1', video('VC-1')],
  ['AC-3', audio('AC-3')],
  ['EAC3', audio('E-AC-3')],
  ['BSSD', audio('SMPTE 302M')],
  ['DTS1', audio('DTS')],
])

/** The codec of a stream of the PMT. */
export function elementaryCodec(stream: StreamEntry): ElementaryCodec {
  if (stream.registration === 'Opus') {
    // 0 is dual mono, 1 and 2 are mono and stereo. The rest needs a channel mapping, for which RTP has no room.
    const channels = stream.opusChannels ?? 2
    if (channels > 2) return audio('multichannel Opus')
    return { media: 'audio', codec: 'opus', channels: channels === 1 ? 1 : 2 }
  }
  if (stream.dvbCodec === 'aac-latm') return { media: 'audio', codec: 'aac-latm' }
  if (stream.dvbCodec !== null && stream.streamType === 0x06) {
    return audio(stream.dvbCodec === 'ac3' ? 'AC-3' : 'E-AC-3')
  }
  return byStreamType.get(stream.streamType) ?? byRegistration.get(stream.registration) ?? { media: 'other' }
}
