import { encodeTemiPacket } from '../common/temi.ts'

/** Bytes of one MPEG-TS packet and its first byte, ISO/IEC 13818-1 section 2.4.3.2. */
const PACKET = 188
const SYNC = 0x47
/** Ticks of a PTS per ms, and where it wraps (ISO/IEC 13818-1 section 2.4.3.7). */
const TICKS_PER_MS = 90
const PTS_WRAP = 2 ** 33

export interface TsStamperOptions {
  /** Capture time of the picture with this PTS (90 kHz, 33 bits), Unix ms; undefined for a picture without a stamp. */
  readonly captureUnixMs: (pts: number) => number | undefined
  /** Least media time between two stamps of a stream, ms. */
  readonly intervalMs?: number
  /** Whole TS packets, as soon as they are complete. The buffer belongs to the receiver. */
  readonly onPackets: (packets: Buffer) => void
}

interface VideoPid {
  continuityCounter: number
  stampedPts: number | undefined
}

/**
 * Cuts an encoder's byte stream into TS packets and puts a capture-time stamp (TEMI) in front of pictures, about three
 * a second for each video stream. Bytes that are no TS packets are skipped.
 */
export class TsStamper {
  readonly #options: TsStamperOptions
  readonly #intervalTicks: number
  readonly #videos = new Map<number, VideoPid>()
  #rest: Buffer = Buffer.alloc(0)
  #capturedUnixMs: number | undefined

  constructor(options: TsStamperOptions) {
    this.#options = options
    this.#intervalTicks = (options.intervalMs ?? 333) * TICKS_PER_MS
  }

  /** Capture time of the last picture that came, Unix ms; undefined before the first. */
  get capturedUnixMs(): number | undefined {
    return this.#capturedUnixMs
  }

  /** Takes the next bytes, cut anywhere. */
  push(chunk: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    const pieces: Uint8Array[] = []
    let position = 0
    let pieceStart = 0
    const finishPiece = (): void => {
      if (position > pieceStart) pieces.push(bytes.subarray(pieceStart, position))
      pieceStart = position
    }
    while (position + PACKET <= bytes.length) {
      if (bytes[position] !== SYNC) {
        finishPiece()
        const next = bytes.indexOf(SYNC, position)
        position = next < 0 ? bytes.length : next
        pieceStart = position
        continue
      }
      const stamp = this.#stampFor(bytes, position)
      if (stamp) {
        finishPiece()
        pieces.push(stamp)
      }
      position += PACKET
    }
    finishPiece()
    this.#rest = Buffer.from(bytes.subarray(position))
    if (pieces.length > 0) this.#options.onPackets(Buffer.concat(pieces))
  }

  /** The stamp for the packet at `offset`, if a picture starts there and a stamp is due. */
  #stampFor(bytes: Buffer, offset: number): Uint8Array | undefined {
    const pid = ((bytes[offset + 1]! & 0x1f) << 8) | bytes[offset + 2]!
    const video = this.#videos.get(pid)
    const before = video?.continuityCounter
    const pts = readVideoPts(bytes, offset)
    const hasPayload = (bytes[offset + 3]! & 0x10) !== 0
    if (video && hasPayload) video.continuityCounter = bytes[offset + 3]! & 0x0f
    if (pts === undefined) return undefined
    const state = video ?? this.#addVideo(pid, bytes[offset + 3]! & 0x0f)
    const captureUnixMs = this.#options.captureUnixMs(pts)
    if (captureUnixMs === undefined) return undefined
    this.#capturedUnixMs = captureUnixMs
    if (state.stampedPts !== undefined) {
      const elapsed = (pts - state.stampedPts + PTS_WRAP) % PTS_WRAP
      if (elapsed < this.#intervalTicks) return undefined
    }
    state.stampedPts = pts
    const continuityCounter = before ?? (state.continuityCounter + 15) % 16
    return encodeTemiPacket({ pid, continuityCounter, pts, captureUnixMs })
  }

  #addVideo(pid: number, continuityCounter: number): VideoPid {
    const state = { continuityCounter, stampedPts: undefined }
    this.#videos.set(pid, state)
    return state
  }
}

/** The PTS of the video PES packet that starts in this TS packet (ISO/IEC 13818-1 section 2.4.3.6), if any. */
function readVideoPts(bytes: Buffer, offset: number): number | undefined {
  const unitStart = (bytes[offset + 1]! & 0x40) !== 0
  const control = bytes[offset + 3]!
  if (!unitStart || (control & 0x10) === 0) return undefined
  const payload = offset + 4 + ((control & 0x20) !== 0 ? 1 + bytes[offset + 4]! : 0)
  if (payload + 14 > offset + PACKET) return undefined
  const startCode = bytes.readUIntBE(payload, 3)
  const isVideo = (bytes[payload + 3]! & 0xf0) === 0xe0
  const hasPts = (bytes[payload + 7]! & 0x80) !== 0
  if (startCode !== 1 || !isVideo || !hasPts) return undefined
  const high = (bytes[payload + 9]! >> 1) & 0x07
  const middle = (bytes.readUInt16BE(payload + 10) >> 1) & 0x7fff
  const low = (bytes.readUInt16BE(payload + 12) >> 1) & 0x7fff
  return high * 2 ** 30 + middle * 2 ** 15 + low
}

/**
 * Capture time, Unix ms, of a PTS that an encoder derived from the wall clock (90 kHz since 1970, modulo 2^33). Of the
 * possible times the nearest to `nowUnixMs` is taken, which is right within 13 hours.
 */
export function captureTimeOfWallClockPts(pts: number, nowUnixMs: number): number {
  const turns = Math.round((nowUnixMs * TICKS_PER_MS - pts) / PTS_WRAP)
  return (pts + turns * PTS_WRAP) / TICKS_PER_MS
}
