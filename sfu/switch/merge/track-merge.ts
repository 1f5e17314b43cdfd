import { RtpPacket } from '../rtp-packet.ts'
import type { InputTrack } from '../switch-input.ts'
import { Merge } from './merge.ts'
import { UnitAssembly } from './unit-assembly.ts'

/**
 * What becomes of an input's packet. `alone`: it leaves now, with its input's numbers; `again`: so does it, and the numbers of
 * the lane must join its input's anew; `kept`: it leaves later, with its unit, or not at all.
 */
export type Taken = 'kept' | 'alone' | 'again'

export interface TrackMergeSink {
  /** A packet of a unit leaves now, after those before. @param hole before the first packet of a unit: something is missing */
  leaves(packet: RtpPacket, timestamp: number, captureTimeId: number, hole: boolean): void
  joined(place: number): void
  left(place: number): void
  refused(place: number): void
}

export interface TrackMergeOptions {
  readonly kind: 'video' | 'audio'
  /** Number of places for inputs. */
  readonly places: number
  readonly bufferMs: number
  /** Whether an input that is proven to be a copy is merged; all are by default. */
  readonly mayJoin?: (place: number) => boolean
  readonly sink: TrackMergeSink
}

interface Place {
  readonly assembly: UnitAssembly
  track: InputTrack | null
  /** What becomes of the packets of the unit that began last. */
  taken: Taken
}

/**
 * Feeds one output of the lane from the copies of what is on air. What has no copy leaves packet by packet, as it
 * comes; where there are copies, whole units leave. Each input has a place, by its number.
 */
export class TrackMerge {
  readonly #merge: Merge
  readonly #places: readonly Place[]
  readonly #packet = new RtpPacket()
  /** What the RTP times of the input that was on air at first lack to the lane's. */
  #line = 0
  /** Units left since packets left alone. */
  #unitwise = false

  constructor({ kind, places, bufferMs, mayJoin, sink }: TrackMergeOptions) {
    this.#places = Array.from({ length: places }, (_, index) => ({
      assembly: new UnitAssembly(index, kind),
      track: null,
      taken: 'kept' as const,
    }))
    this.#merge = new Merge({
      inputs: places,
      kind,
      bufferMs,
      ...(mayJoin && { mayJoin }),
      sink: {
        send: (place, handle, time, hole) => this.#send(place, handle, time, hole, sink),
        drop: (place, handle) => this.#places[place]!.assembly.store.release(handle),
        joined: sink.joined,
        left: sink.left,
        refused: sink.refused,
      },
    })
  }

  /** When {@link look} is to be called, ms by the clock of `nowMs`; infinite while nothing waits. */
  get lookAgainMs(): number {
    return this.#merge.lookAgainMs
  }

  /** Number of inputs that feed the output. */
  get copies(): number {
    return this.#merge.copies
  }

  isCopy(place: number): boolean {
    return this.#merge.isCopy(place)
  }

  /** What a copy's RTP times lack to the lane's. */
  lineOf(place: number): number {
    return Math.round(this.#line + this.#merge.shiftOf(place)) >>> 0
  }

  /**
   * This input alone feeds the output, from the packet with this RTP timestamp on.
   * @param line what the input's RTP times lack to the lane's
   */
  begin(place: number, track: InputTrack, timestamp: number, line: number, nowMs: number): void {
    this.keepOnly(place, track, nowMs)
    this.#merge.begin(place, timestamp)
    this.#line = line
    this.#unitwise = false
  }

  /** Nothing feeds the output. */
  end(): void {
    this.#merge.end()
  }

  /** The input is no copy any more, whatever its packets say. */
  part(place: number, nowMs: number): void {
    if (this.#merge.isCopy(place)) this.#merge.part(place, nowMs)
  }

  /** The input has this track from now on, or none. Units of another track are copies no more. */
  keepOnly(place: number, track: InputTrack | null, nowMs: number): void {
    const each = this.#places[place]!
    if (each.track === track) return
    if (each.track) this.#merge.forget(place, nowMs)
    each.assembly.restart()
    each.track = track
  }

  /** Takes an input's packet. */
  take(place: number, track: InputTrack, packet: RtpPacket, nowMs: number): Taken {
    const each = this.#places[place]!
    const { assembly } = each
    this.keepOnly(place, track, nowMs)
    if (assembly.begins(packet)) {
      const cut = assembly.cut()
      if (cut) this.#merge.push(cut, nowMs)
      each.taken = this.#takenOf(place, packet)
      assembly.begin(packet, packet.captureUnixMs(track.spec.capture_time_id), this.#merge.needsBytes(place))
    } else if (!assembly.goesOn(packet)) return this.#late(place)
    const { taken } = each
    if (taken === 'again') each.taken = 'alone'
    const unit = assembly.add(packet)
    if (unit) this.#merge.push(unit, nowMs)
    return taken
  }

  /** Lets go what has waited long enough. */
  look(nowMs: number): void {
    this.#merge.look(nowMs)
  }

  #takenOf(place: number, { timestamp }: RtpPacket): Taken {
    const isAlone = this.#merge.isCopy(place) && this.#merge.copies === 1
    if (!isAlone || !this.#merge.leaving(place, timestamp)) return 'kept'
    if (!this.#unitwise) return 'alone'
    this.#unitwise = false
    return 'again'
  }

  /** A repair that comes late is of use to the receivers of what leaves packet by packet. */
  #late(place: number): Taken {
    return this.#merge.isCopy(place) && this.#merge.copies === 1 && !this.#unitwise ? 'alone' : 'kept'
  }

  #send(place: number, handle: number, time: number, hole: boolean, sink: TrackMergeSink): void {
    const { assembly, track } = this.#places[place]!
    const { store } = assembly
    const timestamp = Math.round(time + this.#line) >>> 0
    this.#unitwise = true
    for (let index = 0; index < store.packets(handle); index++) {
      this.#packet.read(store.packet(handle, index))
      sink.leaves(this.#packet, timestamp, track?.spec.capture_time_id ?? 0, hole && index === 0)
    }
    store.release(handle)
  }
}
