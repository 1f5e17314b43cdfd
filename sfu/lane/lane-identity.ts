import { randomInt } from 'node:crypto'
import { machineMs } from '../../common/clock.ts'
import type { Cursors, LaneClockState } from '../../common/wire/lane-ipc.ts'

/**
 * Sequence numbers skipped past the last reported position after a crash: more than any process sends of an SSRC
 * between two reports, and fewer than mediasoup takes for a new stream (3000, RFC 3550 appendix A.1 MAX_DROPOUT).
 */
const CRASH_GAP = 600

/** A sequence number behind everything that a process may have sent since it reported `sequence` and died. */
export function afterCrash(sequence: number): number {
  return (sequence + CRASH_GAP) & 0xffff
}

/**
 * After this without a packet, ms, mediasoup takes a stream for inactive: consumers of one of several layers drop it, and go
 * on at a keyframe with numbers of their own (RtpStreamRecv, InactivityCheckIntervalMs).
 */
export const SILENT_MS = 1500
/** Where numbers go on behind the last one that is known: decoders are to see that pictures are missing. */
export const HOLE = 2
/** An ingress process reports its positions ten times a second, and late by as much. */
const REPORTED_WITHIN_MS = 200

/**
 * What stays the same for a lane's viewers while everything under the lane is replaced: SSRCs, sequence numbers and the
 * RTP clock. Plain data that outlives sender, ingress process and worker.
 */
export class LaneIdentity {
  readonly cname: string
  readonly #videoSsrcs: number[] = []
  readonly #audioSsrc = newSsrc()
  readonly #sequences = new Map<number, number>()
  /** When the last positions came, of the steady clock. */
  #reportedAt = 0
  /** A process died after its last report, and may have sent more. */
  #unreported = false
  #clock: LaneClockState = { epochMs: Math.round(machineMs()), offset90k: randomInt(2 ** 31), last90k: 0 }

  constructor(cname: string) {
    this.cname = cname
  }

  /** SSRC of rendition `index`, ascending by picture size; the same for the life of the lane. */
  videoSsrc(index: number): number {
    while (this.#videoSsrcs.length <= index) this.#videoSsrcs.push(newSsrc())
    return this.#videoSsrcs[index]!
  }

  get audioSsrc(): number {
    return this.#audioSsrc
  }

  get clock(): LaneClockState {
    return this.#clock
  }

  /** The next sequence number to use for an SSRC. */
  sequence(ssrc: number): number {
    const known = this.#sequences.get(ssrc)
    if (known !== undefined) return known
    const first = randomInt(0x8000)
    this.#sequences.set(ssrc, first)
    return first
  }

  /** Takes over the positions that the ingress process reports. */
  advance(cursors: Cursors, nowMs = performance.now()): void {
    this.#reportedAt = nowMs
    for (const [ssrc, next] of cursors.sequences) this.#sequences.set(ssrc, next)
    if (cursors.clock) this.#clock = cursors.clock
  }

  /** An ingress process died: what it sent after its last report is unknown. */
  processDied(): void {
    this.#unreported = true
  }

  /**
   * Another ingress process goes on: its numbers begin behind everything that its predecessor may have sent. Not so for
   * layers that were silent for long: their consumers have numbers of their own, and a wide hole would count as loss, for
   * which mediasoup switches them off once more.
   */
  resume(layered: boolean, nowMs = performance.now()): void {
    if (!this.#unreported) return
    this.#unreported = false
    const dropped = layered && nowMs - this.#reportedAt > SILENT_MS + REPORTED_WITHIN_MS
    for (const [ssrc, next] of this.#sequences) {
      const isLayer = dropped && this.#videoSsrcs.includes(ssrc)
      this.#sequences.set(ssrc, isLayer ? (next + HOLE - 1) & 0xffff : afterCrash(next))
    }
  }
}

function newSsrc(): number {
  return randomInt(1, 0xffff_ffff)
}
