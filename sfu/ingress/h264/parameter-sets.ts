import { BitReader } from './bit-reader.ts'
import { parseSps, type SequenceParameterSet } from './sequence-parameter-set.ts'

/** Largest parameter set, bytes: a larger one fits no packet and can't be repeated, and no encoder makes one. */
const maxSetBytes = 1024
const maxSpsCount = 4
const maxPpsCount = 16

interface StoredPps {
  readonly id: number
  readonly spsId: number
  /** bottom_field_pic_order_in_frame_present_flag: slice headers say how their fields differ. */
  readonly fieldOrder: boolean
  readonly nal: Buffer
}

interface StoredSps {
  readonly parsed: SequenceParameterSet
  readonly nal: Buffer
}

/**
 * Keeps the SPS and PPS of one video stream, to repeat them in front of every IDR picture: encoders send them rarely,
 * and each new viewer and each simulcast switch needs them at once.
 */
export class ParameterSets {
  readonly #sps = new Map<number, StoredSps>()
  readonly #pps = new Map<number, StoredPps>()

  /** @returns `changed` when the set differs from the known one, `bad` when it is not usable */
  addSps(data: Buffer, from: number, to: number): 'same' | 'changed' | 'bad' {
    if (to - from > maxSetBytes) return 'bad'
    const parsed = parseSps(data, from, to)
    if (!parsed) return 'bad'
    const known = this.#sps.get(parsed.id)
    if (known && sameBytes(known.nal, data, from, to)) return 'same'
    // Every PPS that referred to the old SPS must be sent again, section 7.4.1.2.1.
    for (const pps of this.#pps.values()) if (pps.spsId === parsed.id) this.#pps.delete(pps.id)
    store(this.#sps, parsed.id, { parsed, nal: Buffer.from(data.subarray(from, to)) }, maxSpsCount)
    return 'changed'
  }

  addPps(data: Buffer, from: number, to: number): 'same' | 'changed' | 'bad' {
    if (to - from > maxSetBytes) return 'bad'
    const reader = new BitReader(data, from + 1, to)
    const id = reader.unsigned()
    const spsId = reader.unsigned()
    reader.bit() // entropy_coding_mode_flag
    const fieldOrder = reader.flag()
    if (reader.overrun || id > 255 || spsId > 31) return 'bad'
    const known = this.#pps.get(id)
    if (known && sameBytes(known.nal, data, from, to)) return 'same'
    store(this.#pps, id, { id, spsId, fieldOrder, nal: Buffer.from(data.subarray(from, to)) }, maxPpsCount)
    return 'changed'
  }

  /** Whether these bytes are a known parameter set, which says nothing new. */
  isKnown(data: Buffer, from: number, to: number, kind: 'sps' | 'pps'): boolean {
    const sets: ReadonlyMap<number, { readonly nal: Buffer }> = kind === 'sps' ? this.#sps : this.#pps
    for (const { nal } of sets.values()) if (sameBytes(nal, data, from, to)) return true
    return false
  }

  /** The SPS to which a slice with this PPS refers, or null when one of the two is missing. */
  active(ppsId: number): SequenceParameterSet | null {
    const pps = this.#pps.get(ppsId)
    return (pps && this.#sps.get(pps.spsId)?.parsed) ?? null
  }

  /** Whether slices with this PPS carry delta_pic_order_cnt_bottom or a second delta_pic_order_cnt. */
  fieldOrder(ppsId: number): boolean {
    return this.#pps.get(ppsId)?.fieldOrder ?? false
  }

  /** Calls back with the SPS that a slice with this PPS needs, then with each PPS of that SPS. */
  forEachNeeded(ppsId: number, each: (nal: Buffer) => void): void {
    const spsId = this.#pps.get(ppsId)?.spsId
    if (spsId === undefined) return
    const sps = this.#sps.get(spsId)
    if (!sps) return
    each(sps.nal)
    for (const pps of this.#pps.values()) if (pps.spsId === spsId) each(pps.nal)
  }
}

/** The oldest entry makes room, so that the count is bounded whatever ids are sent. */
function store<T>(map: Map<number, T>, id: number, value: T, limit: number): void {
  map.delete(id)
  if (map.size >= limit) {
    const oldest = map.keys().next()
    if (!oldest.done) map.delete(oldest.value)
  }
  map.set(id, value)
}

function sameBytes(known: Buffer, data: Buffer, from: number, to: number): boolean {
  return known.length === to - from && data.compare(known, 0, known.length, from, to) === 0
}
