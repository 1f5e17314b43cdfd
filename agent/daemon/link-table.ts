import type { Endpoint, Via } from '../../common/wire/flow-contract.ts'
import type { BroadcastStatus } from '../../common/wire/node-report.ts'
import type { BondReport } from '../bond/bond-report.ts'

/** One link over the last second, as the sender tells it. */
export interface LinkFigures {
  /** Index among the contract's endpoints. */
  readonly link: number
  readonly alive: boolean
  readonly rttMs: number
  readonly sent: number
  readonly retransmitted: number
  readonly bitrateKbps: number
  readonly via: Via
}

type LinkStatus = BroadcastStatus['links'][number]
type BondLink = BondReport['links'][number]

/** How the links of one broadcast go, under the names of its contract. */
export class LinkTable {
  #endpoints: readonly Endpoint[] = []
  readonly #links = new Map<number, LinkStatus>()
  /** What the bond makes of each link. */
  readonly #bond = new Map<number, BondLink>()

  /** The links of a contract; none without a contract. */
  use(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints
    for (const index of this.#links.keys()) if (index >= endpoints.length) this.#links.delete(index)
    for (const index of this.#bond.keys()) if (index >= endpoints.length) this.#bond.delete(index)
  }

  /** Takes what the bond says of its links. It knows better than a second's figures. */
  bond(links: readonly BondLink[]): void {
    this.#bond.clear()
    for (const link of links) this.#bond.set(link.endpoint, link)
  }

  take({ link, alive, rttMs, sent, retransmitted, bitrateKbps, via }: LinkFigures): void {
    if (link >= this.#endpoints.length) return
    const packets = sent + retransmitted
    this.#links.set(link, {
      link_id: this.#endpoints[link]?.link ?? `link-${link + 1}`,
      interface: null,
      via,
      state: alive ? (packets > 0 ? 'carrying' : 'idle') : 'dead',
      weight: packets > 0 ? 1 : 0,
      kbps: Math.round(bitrateKbps),
      rtt_ms: alive ? rttMs : null,
      loss: packets > 0 ? Math.min(1, retransmitted / packets) : 0,
      capacity_kbps: null,
    })
  }

  get carries(): boolean {
    return this.links.some(({ state }) => state !== 'dead')
  }

  /** Which links carry, and their weights. */
  get states(): { readonly link: string; readonly carries: boolean; readonly weight: number }[] {
    return this.links.map(({ link_id, state, weight }) => ({
      link: link_id,
      carries: state === 'carrying',
      weight,
    }))
  }

  get links(): LinkStatus[] {
    return [...this.#links.entries()]
      .sort(([a], [b]) => a - b)
      .map(([index, status]) => {
        const bond = this.#bond.get(index)
        if (!bond) return status
        const { state, weight, kbps, rtt_ms, loss, capacity_kbps } = bond
        return { ...status, state, weight, kbps, rtt_ms, loss, capacity_kbps }
      })
  }
}
