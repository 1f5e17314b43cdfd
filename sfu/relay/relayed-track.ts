import type { LaneClockState } from '../../common/wire/lane-ipc.ts'
import type { RelayPosition, RelayTrack } from '../../common/wire/relay-ipc.ts'
import { afterCrash, HOLE, SILENT_MS } from '../lane/lane-identity.ts'
import { PictureIds } from './picture-ids.ts'

const HEADER_BYTES = 12
const MARKER = 0x80
const TICKS_PER_MS = 90
/** The least step between the pictures of two inputs: one frame at 30 per second. */
const STEP_S = 1 / 30

/** Where an SSRC begins that never sent: at numbers of chance, as RFC 3550 section 5.1 wants. */
export function firstPosition(
  ssrc: number,
  clock: LaneClockState,
  clockRate: RelayTrack['clock_rate'],
): RelayPosition {
  return {
    ssrc,
    from: ssrc,
    shift: { sequence: 0, timestamp: 0, picture: 0, base_layer: 0 },
    last: {
      sequence: ssrc & 0x7fff,
      timestamp: laneTime(clock, clockRate, clock.epochMs),
      picture: (ssrc >>> 8) & 0x7fff,
      base_layer: ssrc & 0xff,
      marker: true,
    },
    reported_ms: null,
  }
}

/**
 * A relay process died after it had reported `position`; its last report, of whatever track, was at `reportedMs` of
 * `machineMs`. Two deaths without a report between them leave twice as much unknown.
 */
export function noteDeath(position: RelayPosition, reportedMs: number): void {
  if (position.reported_ms !== null) position.last.sequence = afterCrash(position.last.sequence)
  position.reported_ms = reportedMs
}

/** A process that dies has reported this long ago at most, ms: twice a second, and late by as much. */
const UNREPORTED_MS = 1000
/** A smaller hole is a loss that retransmission repairs, in a stream with a picture now and then. */
const REPAIRED_PACKETS = 16
/** A retransmission comes fewer packets late than this. */
const LATE_PACKETS = 4096

/** One object serves all tracks: nothing is allocated per packet. */
const ids = new PictureIds()

/**
 * One SSRC of a lane that an RTP input feeds. Packets keep their payload and their distances; SSRC, sequence number,
 * timestamp and picture ids become the lane's, so that a receiver sees one stream whatever the input is. A new input goes on
 * behind the last packet, at the lane's time of that moment. Pure: no clock, no I/O.
 */
export class RelayedTrack {
  readonly #track: RelayTrack
  readonly #position: RelayPosition
  /** The input's numbers are known: at its first packet, or from the process before. */
  #anchored: boolean
  /** Something left since `takePosition` was asked last. */
  #moved = false
  /** When the last packet came, of the clock of `restamp`; infinite before the first. */
  #cameMs = Number.POSITIVE_INFINITY
  /** The input's sequence number at the end of its last silence: what comes from before it is too late. -1 without one. */
  #floor = -1

  constructor(track: RelayTrack) {
    this.#track = track
    const { ssrc, from, position } = track
    this.#anchored = position.from === from
    this.#position = { ...position, ssrc, from, shift: { ...position.shift }, last: { ...position.last } }
  }

  get ssrc(): number {
    return this.#track.ssrc
  }

  get from(): number {
    return this.#track.from
  }

  get isVideo(): boolean {
    return this.#track.clock_rate === 90_000
  }

  /** The position, once after each time that something left; else null. */
  takePosition(): RelayPosition | null {
    if (!this.#moved) return null
    this.#moved = false
    return this.#position
  }

  /** The lane's position, for the input that follows. */
  get position(): RelayPosition {
    return this.#anchored ? this.#position : this.#track.position
  }

  /**
   * Makes an RTP packet of the input the lane's, in place.
   * @param nowMs of the clock that the lane's position is in
   * @returns false for what is no RTP packet, and for what comes from before a silence
   */
  restamp(packet: Buffer, nowMs: number): boolean {
    const payload = payloadAt(packet)
    if (payload > packet.length) return false
    const { shift, last } = this.#position
    const codec = this.#track.picture_ids
    const hasIds = codec !== null && payload < packet.length && ids.find(codec, packet, payload)
    const sequence = (packet[2]! << 8) | packet[3]!
    const timestamp = packet.readUInt32BE(4)
    if (!this.#anchored) {
      this.#anchored = true
      // A picture that the input before left unfinished is to look unfinished.
      const left = this.#position.reported_ms === null ? last.sequence : afterCrash(last.sequence)
      shift.sequence = (left + (last.marker ? 1 : 2) - sequence) & 0xffff
      const now = laneTime(this.#track.clock, this.#track.clock_rate, nowMs)
      const least = (last.timestamp + Math.round(STEP_S * this.#track.clock_rate)) >>> 0
      shift.timestamp = ((isAfter32(now, least) ? now : least) - timestamp) >>> 0
      if (hasIds) {
        shift.picture = (last.picture + 1 - ids.picture(packet)) & 0x7fff
        shift.base_layer = (last.base_layer + 1 - ids.baseLayer(packet)) & 0xff
      }
    }
    if (this.#wasSilent(nowMs)) this.#closeGap(sequence)
    this.#cameMs = nowMs
    this.#position.reported_ms = null
    if (this.#floor >= 0) {
      if (isBefore16(sequence, this.#floor)) return false
      if (((sequence - this.#floor) & 0xffff) > LATE_PACKETS) this.#floor = -1
    }
    const outSequence = (sequence + shift.sequence) & 0xffff
    const outTimestamp = (timestamp + shift.timestamp) >>> 0
    packet[2] = outSequence >> 8
    packet[3] = outSequence & 0xff
    packet.writeUInt32BE(outTimestamp, 4)
    packet.writeUInt32BE(this.#track.ssrc, 8)
    let picture = last.picture
    let baseLayer = last.base_layer
    if (hasIds) {
      picture = (ids.picture(packet) + shift.picture) % ids.modulus
      baseLayer = (ids.baseLayer(packet) + shift.base_layer) & 0xff
      ids.write(packet, picture, baseLayer)
    }
    if (!isBefore16(outSequence, last.sequence)) {
      last.sequence = outSequence
      last.marker = (packet[1]! & MARKER) !== 0 || !this.isVideo
      if (isAfter32(outTimestamp, last.timestamp)) {
        last.timestamp = outTimestamp
        last.picture = picture
        last.base_layer = baseLayer
      }
    }
    this.#moved = true
    return true
  }

  /**
   * Whether viewers' consumers have dropped the track, so that nothing is owed to the numbers of before. Of a silence that
   * began under a process that died, the first part is not known.
   */
  #wasSilent(nowMs: number): boolean {
    const { reported_ms } = this.#position
    if (reported_ms === null) return nowMs - this.#cameMs > SILENT_MS
    return this.#track.layered && nowMs - reported_ms > SILENT_MS + UNREPORTED_MS
  }

  /**
   * Goes on behind the last number after a silence. The numbers that the input lost would count as packets lost by the lane,
   * for which mediasoup switches all layers off once more, for a second.
   */
  #closeGap(sequence: number): void {
    const { shift, last } = this.#position
    const gap = (sequence + shift.sequence - last.sequence) & 0xffff
    if (gap <= REPAIRED_PACKETS || gap >= 0x8000) return
    shift.sequence = (last.sequence + HOLE - sequence) & 0xffff
    this.#floor = sequence
  }

  /** An RTP timestamp of the input in the lane's time; null before the input's first packet. */
  laneTimestamp(timestamp: number): number | null {
    return this.#anchored ? (timestamp + this.#position.shift.timestamp) >>> 0 : null
  }
}

/** The lane's RTP time at a moment, modulo 2^32. Sound and pictures share the clock, each at its own rate. */
function laneTime({ epochMs, offset90k }: LaneClockState, clockRate: number, nowMs: number): number {
  return Math.round(((offset90k / TICKS_PER_MS + (nowMs - epochMs)) * clockRate) / 1000) % 2 ** 32
}

/** Where the payload begins (RFC 3550 section 5.1). */
function payloadAt(packet: Buffer): number {
  if (packet.length < HEADER_BYTES) return packet.length + 1
  const at = HEADER_BYTES + (packet[0]! & 0x0f) * 4
  if ((packet[0]! & 0x10) === 0) return at
  if (at + 4 > packet.length) return packet.length + 1
  return at + 4 + ((packet[at + 2]! << 8) | packet[at + 3]!) * 4
}

/** Whether `a` comes before `b` modulo 2^16. */
function isBefore16(a: number, b: number): boolean {
  return ((a - b) & 0xffff) >= 0x8000
}

/** Whether `a` comes after `b` modulo 2^32. */
function isAfter32(a: number, b: number): boolean {
  return a !== b && (a - b) >>> 0 < 0x8000_0000
}
