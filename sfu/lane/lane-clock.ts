import { ptsDifference } from '../../common/pts.ts'
import type { LaneClockState } from '../../common/wire/lane-ipc.ts'

const ticksPerMs = 90
const second = 90_000
/** Least step between pictures across an interruption: one frame at 30 per second. */
const frame = second / 30
/** Steps back up to this are disorder within a stream, not a new beginning. */
const disorder = second / 10
/** PTS is disbelieved when PTS and wall clock differ by more than this about elapsed time. */
const tolerance = second
/** Sound and pictures of one multiplex arrive within this of each other. */
const skewTolerance = 1.5 * second
/** After a break in one track, the other tracks must follow within this time. Then their old mapping ends, ms. */
const oldMappingMs = 5_000

/** A straight line from PTS to lane ticks. */
interface Mapping {
  pts: number
  ticks: number
  /** The last PTS on this line. */
  fromPts: number
  latestPts: number
  latestAtMs: number
  /** Distance of the latest unit from the wall clock, ticks. */
  deviation: number
  readonly madeAtMs: number
  /** Number of interruptions before this line. */
  readonly interruptions: number
}

/** One track's position on the lane clock. Its fields belong to {@link LaneClock}. */
export interface TrackClock {
  mapping: Mapping | null
  lastPts: number
  lastAtMs: number
  /** The last ticks, or -1. */
  lastTicks: number
  /** Distance from the wall clock, ticks, kept across interruptions so that sound and pictures keep their distances. */
  deviation: number
}

/**
 * Maps the PTS of all tracks of a program onto one clock that never goes back. One straight line maps a stretch of
 * consistent PTS for all tracks, so that lip sync is the sender's. Where PTS breaks off (the sender restarts or
 * resets), the wall clock says where the next stretch begins.
 */
export class LaneClock {
  readonly #epochMs: number
  readonly #offset: number
  readonly #onReset: () => void
  /** The predecessor's position: nothing may begin earlier. */
  readonly #inherited: number
  #last: number
  #newest: Mapping | null = null
  /** The previous stretch: one wild PTS must not end it. */
  #previous: Mapping | null = null
  #mapped = false
  #interruptions = 0

  /** @param onReset called when PTS broke off and a new stretch begins */
  constructor(state: LaneClockState, onReset: () => void = () => {}) {
    this.#epochMs = state.epochMs
    this.#offset = state.offset90k
    this.#inherited = state.last90k
    this.#last = state.last90k
    this.#onReset = onReset
  }

  get state(): LaneClockState {
    return { epochMs: this.#epochMs, offset90k: this.#offset, last90k: this.#last }
  }

  /** Whether `state` describes this very clock. */
  isSame(state: LaneClockState): boolean {
    return state.epochMs === this.#epochMs && state.offset90k === this.#offset
  }

  /** The wall clock in ticks: the RTP time of that moment in sender reports. */
  wallTicks(unixMs: number): number {
    return Math.round(this.#offset + (unixMs - this.#epochMs) * ticksPerMs)
  }

  /** The input was replaced: the next unit begins a new stretch. */
  interrupt(): void {
    this.#newest = null
    this.#previous = null
    this.#interruptions += 1
  }

  /**
   * The lane ticks of a unit. They only grow for a track.
   * @param pts 33 bit, 90 kHz
   * @param nowMs arrival, Unix ms
   */
  ticks(track: TrackClock, pts: number, nowMs: number): number {
    const wall = this.wallTicks(nowMs)
    let mapping = track.mapping
    if (
      mapping?.interruptions !== this.#interruptions ||
      !this.#newest ||
      !this.#goesOn(track, mapping, pts, nowMs)
    ) {
      mapping = this.#join(track, pts, wall, nowMs)
      track.mapping = mapping
    }
    const exact = along(mapping, pts)
    const ticks = Math.max(exact, track.lastTicks + 1)
    if (ptsDifference(pts, mapping.latestPts) > 0) {
      mapping.latestPts = pts
      mapping.latestAtMs = nowMs
    }
    // The reference moves along, so that no distance ever comes near half of the PTS range.
    if (Math.abs(exact - mapping.ticks) > 60 * second) {
      mapping.fromPts = mapping.pts
      mapping.pts = pts
      mapping.ticks = exact
    }
    mapping.deviation = exact - wall
    track.deviation = ticks - wall
    track.lastPts = pts
    track.lastAtMs = nowMs
    track.lastTicks = ticks
    if (ticks > this.#last) this.#last = ticks
    return ticks
  }

  #goesOn(track: TrackClock, mapping: Mapping, pts: number, nowMs: number): boolean {
    const newest = this.#newest
    if (
      newest &&
      mapping !== newest &&
      nowMs - newest.madeAtMs > oldMappingMs &&
      covers(newest, pts, nowMs)
    ) {
      return false
    }
    const step = ptsDifference(pts, track.lastPts)
    if (step < -disorder) return false
    // A stall and its burst look odd by the wall clock, but their PTS goes on: small steps are always believed.
    return step <= tolerance || Math.abs(step - (nowMs - track.lastAtMs) * ticksPerMs) <= tolerance
  }

  /** The newest stretch, or the one before, if this unit lies on it; else a new stretch that begins with this unit. */
  #join(track: TrackClock, pts: number, wall: number, nowMs: number): Mapping {
    const newest = this.#newest
    if (newest && newest !== track.mapping && covers(newest, pts, nowMs)) return newest
    const back = this.#previous
    if (back && back !== track.mapping && onTime(back, pts, wall)) {
      this.#previous = newest
      this.#newest = back
      return back
    }
    const earliest = (track.lastTicks < 0 ? this.#inherited : track.lastTicks) + frame
    const usual = Math.min(Math.max(track.deviation, -second), second)
    const ticks = Math.max(earliest, wall + usual)
    const mapping: Mapping = {
      pts,
      ticks,
      fromPts: pts,
      latestPts: pts,
      latestAtMs: nowMs,
      deviation: ticks - wall,
      madeAtMs: nowMs,
      interruptions: this.#interruptions,
    }
    this.#previous = this.#newest
    this.#newest = mapping
    if (this.#mapped) this.#onReset()
    this.#mapped = true
    return mapping
  }
}

export function createTrackClock(): TrackClock {
  return { mapping: null, lastPts: 0, lastAtMs: 0, lastTicks: -1, deviation: 0 }
}

/** Whether this PTS is among, shortly before, or a natural continuation of those on the line. Late arrival is fine. */
function covers(mapping: Mapping, pts: number, nowMs: number): boolean {
  const elapsed = Math.max(nowMs - mapping.latestAtMs, 0) * ticksPerMs
  return (
    ptsDifference(pts, mapping.fromPts) >= -skewTolerance &&
    ptsDifference(pts, mapping.latestPts) <= elapsed + skewTolerance
  )
}

/** Whether the line maps this PTS to where units of the line usually are at this moment. */
function onTime(mapping: Mapping, pts: number, wall: number): boolean {
  return Math.abs(along(mapping, pts) - wall - mapping.deviation) <= skewTolerance
}

function along(mapping: Mapping, pts: number): number {
  return mapping.ticks + ptsDifference(pts, mapping.pts)
}
