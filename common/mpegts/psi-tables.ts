/** A program of the PAT, ISO/IEC 13818-1 section 2.4.4.3. */
export interface ProgramEntry {
  readonly programNumber: number
  readonly pmtPid: number
}

export interface PatSection {
  readonly sectionNumber: number
  readonly lastSectionNumber: number
  readonly programs: readonly ProgramEntry[]
}

/** One elementary stream of the PMT, ISO/IEC 13818-1 section 2.4.4.9. */
export interface StreamEntry {
  readonly pid: number
  readonly streamType: number
  /** Four characters of the registration descriptor, or an empty text. */
  readonly registration: string
  /** channel_config_code of an Opus stream (ETSI TS 103 491 / ffmpeg, GStreamer), or null. */
  readonly opusChannels: number | null
  /** A DVB descriptor (ETSI EN 300 468) names the codec of a private stream: AC-3, E-AC-3 or AAC in LATM. */
  readonly dvbCodec: 'ac3' | 'eac3' | 'aac-latm' | null
}

const applicable = (data: Uint8Array): boolean => (data[5]! & 0x01) === 1

/** @returns null when the section is no PAT that applies now; its CRC was checked before */
export function parsePat(data: Uint8Array, length: number): PatSection | null {
  if (data[0] !== 0x00 || length < 12 || !applicable(data)) return null
  const programs: ProgramEntry[] = []
  for (let at = 8; at + 4 <= length - 4; at += 4) {
    const programNumber = (data[at]! << 8) | data[at + 1]!
    const pmtPid = ((data[at + 2]! & 0x1f) << 8) | data[at + 3]!
    if (programNumber !== 0 && pmtPid >= 0x10 && pmtPid < 0x1fff) programs.push({ programNumber, pmtPid })
  }
  return { sectionNumber: data[6]!, lastSectionNumber: data[7]!, programs }
}

/**
 * @param limit streams beyond this number are counted, not returned
 * @returns null when the section is not the PMT of that program, or does not apply now
 */
export function parsePmt(
  data: Uint8Array,
  length: number,
  programNumber: number,
  limit: number,
): { streams: StreamEntry[]; total: number } | null {
  if (data[0] !== 0x02 || length < 16 || !applicable(data)) return null
  if (((data[3]! << 8) | data[4]!) !== programNumber) return null
  const end = length - 4
  const streams: StreamEntry[] = []
  let total = 0
  let at = 12 + (((data[10]! & 0x0f) << 8) | data[11]!)
  while (at + 5 <= end) {
    const streamType = data[at]!
    const pid = ((data[at + 1]! & 0x1f) << 8) | data[at + 2]!
    const infoEnd = at + 5 + (((data[at + 3]! & 0x0f) << 8) | data[at + 4]!)
    if (infoEnd > end) break
    total += 1
    const known = streams.some((stream) => stream.pid === pid)
    if (streams.length < limit && pid >= 0x10 && pid < 0x1fff && !known) {
      streams.push({ pid, streamType, ...readDescriptors(data, at + 5, infoEnd) })
    }
    at = infoEnd
  }
  return { streams, total }
}

type Descriptors = Pick<StreamEntry, 'registration' | 'opusChannels' | 'dvbCodec'>

function readDescriptors(data: Uint8Array, from: number, end: number): Descriptors {
  let registration = ''
  let opusChannels: number | null = null
  let dvbCodec: StreamEntry['dvbCodec'] = null
  for (let at = from; at + 2 <= end; ) {
    const tag = data[at]!
    const body = at + 2
    const bodyEnd = body + data[at + 1]!
    if (bodyEnd > end) break
    if (tag === 0x05 && bodyEnd - body >= 4) {
      registration = String.fromCharCode(data[body]!, data[body + 1]!, data[body + 2]!, data[body + 3]!)
    } else if (tag === 0x7f && bodyEnd - body >= 2 && data[body] === 0x80) {
      opusChannels = data[body + 1]!
    } else if (tag === 0x6a) dvbCodec = 'ac3'
    else if (tag === 0x7a) dvbCodec = 'eac3'
    else if (tag === 0x7c) dvbCodec = 'aac-latm'
    at = bodyEnd
  }
  return { registration, opusChannels, dvbCodec }
}
