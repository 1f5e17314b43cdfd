import { createAdaptationField, readAdaptationField } from './adaptation-field.ts'
import { ContinuityCounter } from './continuity-counter.ts'
import { PacketSync, packetBytes } from './packet-sync.ts'
import { PesAssembler, type PesFault } from './pes-assembler.ts'
import { type PatSection, parsePat, parsePmt, type StreamEntry } from './psi-tables.ts'
import { SectionAssembler, type SectionSink } from './section-assembler.ts'

export type DemuxIssue =
  | PesFault
  | 'continuity_error'
  | 'transport_error'
  | 'sync_lost'
  | 'crc_error'
  | 'packet_malformed'
  | 'too_many_pids'

export interface DemuxerSink {
  /** The streams of the program, whenever the PMT changes. Answer with {@link Demuxer.select}. */
  program(streams: readonly StreamEntry[]): void
  /** A whole PES payload in `data[from..to)`, valid during the call; `pts` is 33 bit at 90 kHz, or -1. */
  unit(pid: number, data: Buffer, from: number, to: number, pts: number): void
  /** At least one unit of the PID is missing before the next. */
  lost(pid: number): void
  /** The picture whose PTS has these low 32 bits was captured at this time. */
  temi(pts32: number, unixMs: number): void
  issue(kind: DemuxIssue, pid?: number): void
}

export interface Selection {
  readonly pid: number
  /** Largest PES packet, bytes. */
  readonly maxBytes: number
}

export interface DemuxerLimits {
  /** Most streams of a PMT that are looked at. The rest is ignored. */
  readonly maxStreams: number
  /** Number of distinct PIDs above which a stream is suspicious. */
  readonly maxPids: number
}

interface PidSlot {
  readonly continuity: ContinuityCounter
  readonly sections?: SectionAssembler
  readonly pes?: PesAssembler
}

const patPid = 0x0000
const nullPid = 0x1fff
const pidCount = 0x2000
/** A PAT with more sections has more programs than any field sender. */
const maxPatSections = 4

/**
 * Demultiplexes the first program of an MPEG transport stream (ISO/IEC 13818-1). Memory is one fixed table of PIDs, one
 * section buffer each for PAT and PMT, and one buffer per selected stream. Nothing else grows with the input.
 */
export class Demuxer {
  readonly #sink: DemuxerSink
  readonly #limits: DemuxerLimits
  readonly #sync: PacketSync
  readonly #slots = new Array<PidSlot | null>(pidCount).fill(null)
  readonly #seen = new Uint8Array(pidCount)
  readonly #field = createAdaptationField()
  #seenCount = 0
  #selected: number[] = []
  #pat: (PatSection | undefined)[] = []
  #pmtPid = -1
  #programNumber = -1
  #pmtCrc = -1

  constructor(sink: DemuxerSink, limits: DemuxerLimits) {
    this.#sink = sink
    this.#limits = limits
    this.#sync = new PacketSync({
      packet: (buffer, offset) => this.#packet(buffer, offset),
      syncLost: () => sink.issue('sync_lost'),
    })
    this.#slots[patPid] = this.#sectionSlot(patPid, (data, length) => this.#onPat(data, length))
  }

  push(data: Uint8Array): void {
    this.#sync.push(data)
  }

  /** Chooses the streams to assemble. A stream that stays chosen keeps its state. */
  select(selections: readonly Selection[]): void {
    const previous = new Map(this.#selected.map((pid) => [pid, this.#slots[pid] ?? null]))
    for (const pid of this.#selected) this.#slots[pid] = null
    this.#selected = []
    for (const { pid, maxBytes } of selections) {
      if (this.#slots[pid]) continue // PAT and PMT stay what they are
      this.#slots[pid] = previous.get(pid) ?? this.#streamSlot(pid, maxBytes)
      this.#selected.push(pid)
    }
  }

  /** The next input has nothing to do with the last: forgets open units, counters and tables. */
  reset(): void {
    this.#sync.reset()
    this.#seen.fill(0)
    this.#seenCount = 0
    for (const pid of [patPid, this.#pmtPid, ...this.#selected]) {
      const slot = this.#slots[pid]
      slot?.continuity.reset()
      slot?.sections?.drop()
      slot?.pes?.drop()
    }
  }

  /** Bytes of all assembly buffers, for the memory bounds. */
  get bufferedBytes(): number {
    return this.#selected.reduce((sum, pid) => sum + (this.#slots[pid]?.pes?.capacity ?? 0), 0)
  }

  #packet(data: Buffer, offset: number): void {
    const second = data[offset + 1]!
    if (second & 0x80) {
      this.#sink.issue('transport_error')
      return
    }
    const pid = ((second & 0x1f) << 8) | data[offset + 2]!
    if (pid === nullPid) return
    if (this.#seen[pid] === 0) this.#firstSight(pid)
    const slot = this.#slots[pid]
    if (!slot) return
    const fourth = data[offset + 3]!
    const end = offset + packetBytes
    const field = this.#field
    let payload = offset + 4
    let stuffed = false
    let announced = false
    if (fourth & 0x20) {
      if (!readAdaptationField(data, payload, end, field)) {
        this.#sink.issue('packet_malformed', pid)
        return
      }
      payload += 1 + data[payload]!
      stuffed = field.stuffed
      announced = field.discontinuity
      if (field.hasTemi) this.#sink.temi(field.temiPts, field.temiUnixMs)
    }
    if (!(fourth & 0x10)) return
    if (!this.#inOrder(slot, pid, fourth & 0x0f, announced, data, payload, end)) return
    const unitStart = (second & 0x40) !== 0
    if (fourth & 0xc0) {
      this.#sink.issue('scrambled', pid)
      // A unit that begins scrambled is lost with its first packet, another with its first scrambled packet.
      if (slot.pes && (slot.pes.drop() || unitStart)) this.#sink.lost(pid)
      return
    }
    if (payload >= end) return
    if (slot.pes) slot.pes.push(data, payload, end, unitStart, stuffed)
    else slot.sections?.push(data, payload, end, unitStart)
  }

  /** @returns false for a repeated packet */
  #inOrder(
    slot: PidSlot,
    pid: number,
    counter: number,
    announced: boolean,
    data: Buffer,
    payload: number,
    end: number,
  ): boolean {
    const continuity = slot.continuity.check(counter, true, announced)
    if (continuity === 'ok') return true
    if (continuity === 'duplicate' && (!slot.pes || slot.pes.isRepeated(data, payload, end))) return false
    slot.pes?.drop()
    slot.sections?.drop()
    if (continuity !== 'jump') this.#sink.issue('continuity_error', pid)
    if (slot.pes) this.#sink.lost(pid)
    return true
  }

  #firstSight(pid: number): void {
    this.#seen[pid] = 1
    this.#seenCount += 1
    if (this.#seenCount === this.#limits.maxPids + 1) this.#sink.issue('too_many_pids')
  }

  #onPat(data: Buffer, length: number): void {
    const section = parsePat(data, length)
    if (!section || section.sectionNumber >= maxPatSections) return
    this.#pat.length = Math.min(section.lastSectionNumber + 1, maxPatSections)
    if (section.sectionNumber < this.#pat.length) this.#pat[section.sectionNumber] = section
    for (const known of this.#pat) {
      if (!known) return
      const first = known.programs[0]
      if (!first) continue
      this.#follow(first.programNumber, first.pmtPid)
      return
    }
  }

  #follow(programNumber: number, pmtPid: number): void {
    if (programNumber === this.#programNumber && pmtPid === this.#pmtPid) return
    if (this.#pmtPid >= 0) this.#slots[this.#pmtPid] = null
    this.#selected = this.#selected.filter((pid) => pid !== pmtPid)
    this.#programNumber = programNumber
    this.#pmtPid = pmtPid
    this.#pmtCrc = -1
    this.#slots[pmtPid] = this.#sectionSlot(pmtPid, (data, length, crc) => this.#onPmt(data, length, crc))
  }

  #onPmt(data: Buffer, length: number, crc: number): void {
    if (crc === this.#pmtCrc) return
    const pmt = parsePmt(data, length, this.#programNumber, this.#limits.maxStreams)
    if (!pmt) return
    this.#pmtCrc = crc
    if (pmt.total > this.#limits.maxStreams) this.#sink.issue('too_many_pids', this.#pmtPid)
    this.#sink.program(pmt.streams)
  }

  #sectionSlot(pid: number, section: SectionSink['section']): PidSlot {
    const crcError = (): void => this.#sink.issue('crc_error', pid)
    return { continuity: new ContinuityCounter(), sections: new SectionAssembler({ section, crcError }) }
  }

  #streamSlot(pid: number, maxBytes: number): PidSlot {
    const pes = new PesAssembler(
      {
        unit: (data, from, to, pts) => this.#sink.unit(pid, data, from, to, pts),
        fault: (kind) => {
          this.#sink.issue(kind, pid)
          this.#sink.lost(pid)
        },
      },
      maxBytes,
    )
    return { continuity: new ContinuityCounter(), pes }
  }
}
