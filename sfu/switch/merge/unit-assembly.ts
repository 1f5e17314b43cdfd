import type { RtpPacket } from '../rtp-packet.ts'
import type { Unit } from './merge-copies.ts'
import { UnitPrint } from './unit-print.ts'
import { UnitStore } from './unit-store.ts'

/** Puts the access units of one track of an input together. */
export class UnitAssembly {
  readonly #isVideo: boolean
  readonly #print = new UnitPrint()
  readonly #unit: Unit
  /** Made when bytes are needed for the first time. */
  #store: UnitStore | null = null
  #isOpen = false
  #keeps = false
  /** Units of this track have capture times. */
  #isStamped = false
  #hasBegun = false

  /** @param input the unit's `input` */
  constructor(input: number, kind: 'video' | 'audio') {
    this.#isVideo = kind === 'video'
    this.#unit = {
      input,
      handle: -1,
      timestamp: 0,
      first: 0,
      last: 0,
      captureMs: Number.NaN,
      print: 0,
      complete: true,
    }
  }

  /** The kept bytes. @throws TypeError before anything was kept */
  get store(): UnitStore {
    return this.#store!
  }

  /** Whether this packet begins a unit: false also for what comes after its unit was ended. */
  begins({ timestamp }: RtpPacket): boolean {
    if (!this.#isVideo || !this.#hasBegun) return true
    return ((timestamp - this.#unit.timestamp) | 0) > 0
  }

  /** Whether this packet belongs to the unit that began last. */
  goesOn({ timestamp }: RtpPacket): boolean {
    return this.#isOpen && timestamp === this.#unit.timestamp
  }

  /** Another stream follows. */
  restart(): void {
    this.#isOpen = false
    this.#hasBegun = false
    this.#isStamped = false
    this.#store?.begin()
  }

  /** Ends a unit whose last packet did not come. @returns the unit, or null where none is open */
  cut(): Unit | null {
    if (!this.#isOpen) return null
    this.#unit.complete = false
    return this.#end()
  }

  /**
   * Begins a unit with its first packet.
   * @param captureMs unix ms; NaN without
   * @param keeps whether the bytes of the unit are needed
   */
  begin(packet: RtpPacket, captureMs: number, keeps: boolean): void {
    const unit = this.#unit
    unit.timestamp = packet.timestamp
    unit.first = packet.sequence
    unit.last = (packet.sequence - 1) & 0xffff
    unit.captureMs = captureMs
    // Only the first packet of a picture has its capture time: the first packet of this one is missing.
    unit.complete = !this.#isStamped || !Number.isNaN(captureMs)
    if (!Number.isNaN(captureMs)) this.#isStamped = true
    this.#hasBegun = true
    this.#isOpen = true
    this.#keeps = keeps
    this.#print.clear()
    if (!keeps) return
    this.#store ??= new UnitStore()
    this.#store.begin()
  }

  /** Adds a packet of the open unit. @returns the unit when it is over, or null */
  add(packet: RtpPacket): Unit | null {
    const unit = this.#unit
    const step = (packet.sequence - unit.last) & 0xffff
    if (step === 0 || step >= 0x8000) return null
    if (step > 1) unit.complete = false
    unit.last = packet.sequence
    if (this.#isVideo) this.#print.addH264(packet.bytes, packet.payloadAt)
    else this.#print.add(packet.bytes, packet.payloadAt, packet.bytes.length)
    if (this.#keeps) this.#store!.add(packet.bytes)
    return packet.marker || !this.#isVideo ? this.#end() : null
  }

  #end(): Unit {
    this.#isOpen = false
    this.#unit.print = this.#print.value
    this.#unit.handle = this.#keeps && this.#unit.complete ? this.#store!.end() : -1
    return this.#unit
  }
}
