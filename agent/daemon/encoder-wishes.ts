import type { LayerDemand } from '../../common/wire/publisher-protocol.ts'
import type { BondReport } from '../bond/bond-report.ts'

/** The encoder that is told. */
export interface ToldEncoder {
  setTarget(kbps: number): void
  setDemand(demand: LayerDemand): void
}

const EVERYTHING: LayerDemand = { video: [true, true, true, true], audio: true }

/**
 * What is wanted of an encoder: the bitrate that the bond carries, or the contract's until the bond has spoken, and the
 * renditions that somebody watches and that the bond has room for. Tells the encoder only what changes.
 */
export class EncoderWishes {
  readonly #encoder: ToldEncoder
  #contractKbps: number | null = null
  #bond: Pick<BondReport, 'target_kbps' | 'encoder_kbps' | 'wanted'> | null = null
  #demand: LayerDemand = EVERYTHING
  #isOffline = false
  /** Somebody watches from this machine itself. */
  #direct = false
  #toldKbps: number | null = null
  #toldDemand = ''

  constructor(encoder: ToldEncoder) {
    this.#encoder = encoder
  }

  /** The bitrate with which a contract begins, kb/s of media; null without a contract. */
  contract(targetKbps: number | null): void {
    this.#contractKbps = targetKbps
    if (targetKbps === null) this.#bond = null
    this.#tell()
  }

  bond(report: BondReport): void {
    if (this.#contractKbps === null) return
    this.#bond = report
    this.#tell()
  }

  /** What anybody watches, as the hub says. */
  demanded(demand: LayerDemand): void {
    this.#demand = demand
    this.#tell()
  }

  /** Nothing gets through, and what is made goes to the disk: then it is made as the contract would have it. */
  offline(isOffline: boolean): void {
    if (isOffline === this.#isOffline) return
    this.#isOffline = isOffline
    this.#tell()
  }

  /** Whether somebody of this network gets the largest rendition from here, whatever the hub wants. */
  direct(watched: boolean): void {
    this.#direct = watched
    this.#tell()
  }

  /** Media, kb/s; null without a contract. */
  get targetKbps(): number | null {
    return this.#bond?.target_kbps ?? this.#contractKbps
  }

  /** Whether the bond has room for a rendition, 0 being the smallest. */
  hasRoomFor(rendition: number): boolean {
    return this.#isOffline || (this.#bond?.wanted[rendition] ?? true)
  }

  #tell(): void {
    const kbps = (this.#isOffline ? null : this.#bond?.encoder_kbps) ?? this.#contractKbps
    if (kbps !== null && kbps !== this.#toldKbps) {
      this.#toldKbps = kbps
      this.#encoder.setTarget(kbps)
    }
    const { video, audio } = this.#demand
    const demand = {
      video: video.map((wanted, rendition) => (wanted || this.#direct) && this.hasRoomFor(rendition)),
      audio: audio || this.#direct,
    }
    const text = JSON.stringify(demand)
    if (text === this.#toldDemand) return
    this.#toldDemand = text
    this.#encoder.setDemand(demand)
  }
}
