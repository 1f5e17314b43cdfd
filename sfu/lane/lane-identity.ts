import { randomInt } from 'node:crypto'
import { machineMs } from '../../common/clock.ts'
import type { Cursors, LaneClockState } from '../../common/wire/lane-ipc.ts'

/**
 * Sequence numbers skipped past the last reported position after a crash: more than any process sends of an SSRC
 * between two reports, and fewer than mediasoup takes for a new stream (3000, RFC 3550 appendix A.1 MAX_DROPOUT).
 */
const CRASH_GAP = 600

/** A process reported `sequence`, sent more, and died: a sequence number after everything that it may have sent. */
export function afterCrash(sequence: number): number {
  return (sequence + CRASH_GAP) & 0xffff
}

/**
 * mediasoup takes a stream without packets for inactive after this time, ms. Consumers of a stream with several layers then
 * drop the layer, and go on at a keyframe with numbers of their own (RtpStreamRecv, InactivityCheckIntervalMs).
 */
export const SILENT_MS = 1500
/** Numbers go on this far after the last known number, so that decoders see that pictures are missing. */
export const HOLE = 2
/** The last report of a dead ingress process is at most this old, ms: it reports ten times a second, maybe as late. */
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
  /** Arrival of the last positions, by the steady clock. */
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

  /** An ingress process died. Nobody knows what it sent after its last report. */
  processDied(): void {
    this.#unreported = true
  }

  /**
   * A new ingress process takes over. Its numbers begin after everything that its predecessor may have sent. Layers that
   * were silent for long are an exception: their consumers have numbers of their own. There a wide hole would count as
   * loss, and mediasoup would switch the layers off once more.
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
