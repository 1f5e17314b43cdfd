import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { LinkArrivals } from '../../common/wire/link-arrivals.ts'
import { type BondState, type BondStep, bondStep, changeTerms, newBond } from './bond.ts'
import type { BondReport } from './bond-report.ts'
import { type BondSettings, type BondTerms, bondTerms, NO_SETTINGS } from './bond-terms.ts'
import type { LinkFacts } from './link-evidence.ts'
import { isMarginal } from './link-trust.ts'

/** The sender whose links are kept. */
export interface Bonded {
  /** What was counted on each open link since the flow began; null while nothing is sent. */
  readonly facts: { readonly links: readonly LinkFacts[]; readonly datagramBytes: number } | null
  /** Weights by the indices of the contract's endpoints: 0 for copies of all packets, else the share. */
  setShares(shares: ReadonlyMap<number, number>): Promise<void>
  /** The rate at which bursts may leave within the contract's pacing, kb/s on the wire. */
  setPace(kbps: number): void
}

export interface BondKeeperOptions {
  readonly sender: Bonded
  /** The endpoints that a contract uses, with their weights. `links`: those that may be used, null for all. */
  readonly useOf: (contract: FlowContract, links: readonly string[] | null) => ReadonlyMap<number, number>
  readonly onReport: (report: BondReport) => void
}

/** librist tells its counts as often, ms. */
const STEP_MS = 100
/** How often the agent hears of links whose bitrate does not change, ms. */
const REPORT_EVERY_MS = 1000
/** A bitrate that has grown by this share is worth a word. One that falls always is. */
const WORTH_A_WORD = 0.02

/**
 * Keeps the weights of a sender's links and the bitrate by what is known of the links, as long as a contract runs. Runs
 * where librist runs.
 */
export class BondKeeper implements Disposable {
  readonly #options: BondKeeperOptions
  readonly #timer: NodeJS.Timeout
  #contract: FlowContract | null = null
  #links: readonly string[] | null = null
  #settings: BondSettings = NO_SETTINGS
  #terms: BondTerms | null = null
  #state: BondState | null = null
  #arrivals: LinkArrivals | null = null
  #told: { readonly report: BondReport; readonly atMs: number } | null = null

  constructor(options: BondKeeperOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#step(performance.now()), STEP_MS)
  }

  /**
   * Goes by this contract, or rests without one. Another contract begins with nothing known.
   * @param links the links that may be used, by their ids; null for all
   */
  contract(contract: FlowContract | null, links: readonly string[] | null = null): void {
    this.#links = links
    const goesOn = contract !== null && contract.contract_id === this.#contract?.contract_id
    this.#contract = contract
    if (!goesOn) {
      this.#state = null
      this.#told = null
    }
    this.#changed()
  }

  /** What the broadcast says beside its contract. */
  settings(settings: BondSettings): void {
    this.#settings = settings
    this.#changed()
  }

  /** The hub's word of what has arrived. */
  arrived(arrivals: LinkArrivals): void {
    this.#arrivals = arrivals
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #changed(): void {
    const contract = this.#contract
    if (!contract) {
      this.#terms = null
      return
    }
    this.#terms = bondTerms(contract, this.#options.useOf(contract, this.#links), this.#settings)
    if (this.#state) this.#state = changeTerms(this.#state, this.#terms, performance.now())
  }

  #step(nowMs: number): void {
    const { sender } = this.#options
    const { facts } = sender
    if (!this.#terms || !facts) return
    const before = this.#state ?? newBond(this.#terms, nowMs)
    const arrivals = this.#arrivals
    this.#arrivals = null
    const step = bondStep(
      before,
      this.#terms,
      {
        ...facts,
        arrivals: arrivals && {
          hubMs: arrivals.at_ms,
          links: arrivals.packets.map((packets, link) => ({ link, packets })),
        },
      },
      nowMs,
    )
    this.#state = step.state
    // A sender that closes meanwhile takes no weights any more.
    if (step.weights !== before.weights) sender.setShares(step.weights).catch(() => {})
    sender.setPace(step.paceKbps)
    this.#tell(step, nowMs)
  }

  #tell(step: BondStep, nowMs: number): void {
    const report = reportOf(step)
    const before = this.#told
    const isNews =
      !before ||
      nowMs - before.atMs >= REPORT_EVERY_MS ||
      report.target_kbps < before.report.target_kbps ||
      report.encoder_kbps > before.report.encoder_kbps * (1 + WORTH_A_WORD) ||
      report.wanted.some((wanted, index) => wanted !== before.report.wanted[index])
    if (!isNews) return
    this.#told = { report, atMs: nowMs }
    this.#options.onReport(report)
  }
}

const STATES = {
  carrying: 'carrying',
  paused: 'dead',
  dead: 'dead',
  resting: 'probing',
  trial: 'probing',
} as const

const reportOf = ({ targetKbps, encoderKbps, wanted, links, weights }: BondStep): BondReport => ({
  target_kbps: targetKbps,
  encoder_kbps: encoderKbps,
  wanted: [...wanted],
  links: links.map(({ link, trust, evidence, allowedKbps, sentKbps }) => ({
    endpoint: link,
    state: isMarginal(trust) ? 'marginal' : STATES[trust.phase],
    weight: weights.get(link) ?? 0,
    kbps: sentKbps,
    rtt_ms: evidence.rttMs,
    loss: Math.min(1, Math.max(0, evidence.usualLoss)),
    capacity_kbps: allowedKbps,
  })),
})
