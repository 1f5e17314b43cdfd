import type { LaneClockState } from '../../common/wire/lane-ipc.ts'
import type { RelayPosition, RelayTrack } from '../../common/wire/relay-ipc.ts'
import { afterCrash, HOLE, SILENT_MS } from '../lane/lane-identity.ts'
import { payloadAt } from '../lane/rtp-header.ts'
import { PictureIds } from './picture-ids.ts'

const MARKER = 0x80
const TICKS_PER_MS = 90
/** The least step between the pictures of two inputs: one frame at 30 per second. */
const STEP_S = 1 / 30

/** The first position of a new SSRC. Its numbers are random (RFC 3550 section 5.1). */
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
 * Notes that a relay process died after it had reported `position`. The process made its last report about any track at
 * `reportedMs`, by `machineMs`. After two deaths without a report in between, twice as many packets are unknown.
 */
export function noteDeath(position: RelayPosition, reportedMs: number): void {
  if (position.reported_ms !== null) position.last.sequence = afterCrash(position.last.sequence)
  position.reported_ms = reportedMs
}

/** The last report of a process that dies is at most this old, ms: reports come twice a second, and may be as late. */
const UNREPORTED_MS = 1000
/** A smaller hole in a stream of slow pictures is a loss, which retransmission repairs. */
const REPAIRED_PACKETS = 16
/** A retransmission is late by fewer packets than this. */
const LATE_PACKETS = 4096

/** One object serves all tracks: nothing is allocated per packet. */
const ids = new PictureIds()

/**
 * One SSRC of a lane that an RTP input feeds. Packets keep their payload and their distances; SSRC, sequence number,
 * timestamp and picture ids become the lane's, so that a receiver sees one stream whatever the input is. The numbers of a
 * new input follow the last packet, and its timestamps follow the lane's clock. Pure: no clock, no I/O.
 */
export class RelayedTrack {
  readonly #track: RelayTrack
  readonly #position: RelayPosition
  /** The input's numbers are known, from its first packet or from the previous process. */
  #anchored: boolean
  /** A packet has left since the last call of `takePosition`. */
  #moved = false
  /** Arrival of the last packet, by the clock of `restamp`; infinite before the first packet. */
  #cameMs = Number.POSITIVE_INFINITY
  /** The input's sequence number at the end of its last silence; -1 without a silence. Earlier packets come too late. */
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

  /** The position, if a packet has left since the last call; else null. */
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
   * @param nowMs by the clock of the lane's position
   * @returns false for a packet that is not RTP, and for a packet from before a silence
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
      // A picture that the previous input left unfinished must look unfinished.
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
   * Whether viewers' consumers have dropped the track. Then the numbers need not follow the earlier numbers. If the
   * silence began under a process that died, nobody knows exactly when it began.
   */
  #wasSilent(nowMs: number): boolean {
    const { reported_ms } = this.#position
    if (reported_ms === null) return nowMs - this.#cameMs > SILENT_MS
    return this.#track.layered && nowMs - reported_ms > SILENT_MS + UNREPORTED_MS
  }

  /**
   * After a silence, makes the lane's numbers follow its last number. Numbers that the input skipped would look like packets
   * that the lane lost, and mediasoup would switch all layers off once more, for a second.
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

/** Whether `a` comes before `b` modulo 2^16. */
function isBefore16(a: number, b: number): boolean {
  return ((a - b) & 0xffff) >= 0x8000
}

/** Whether `a` comes after `b` modulo 2^32. */
function isAfter32(a: number, b: number): boolean {
  return a !== b && (a - b) >>> 0 < 0x8000_0000
}
