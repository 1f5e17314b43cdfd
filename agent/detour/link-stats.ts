import type { Via } from '../../common/wire/flow-contract.ts'
import type { SenderLinkStats } from '../sender/bonded-sender.ts'

/** Joins the statistics of each link and of its detour, which librist has as two links of one bond. */
export class LinkStats {
  readonly #links: number
  readonly #last: (SenderLinkStats | undefined)[] = []

  /** @param links number of links; the detours follow, in the same order */
  constructor(links: number) {
    this.#links = links
  }

  /**
   * Takes the statistics of a link or detour, over the last second.
   * @param via the way of the link now
   * @returns the link's own, where they can be told
   */
  take(stats: SenderLinkStats, via: Via): SenderLinkStats | null {
    this.#last[stats.link] = stats
    const link = stats.link % this.#links
    const isDetour = stats.link >= this.#links
    // librist says nothing of a link that is dead: what was told last is not told again.
    if (isDetour !== (via !== 'udp')) return null
    const other = this.#last[isDetour ? link : link + this.#links]
    this.#last[isDetour ? link : link + this.#links] = undefined
    return {
      ...stats,
      link,
      alive: stats.alive || other?.alive === true,
      sent: stats.sent + (other?.sent ?? 0),
      retransmitted: stats.retransmitted + (other?.retransmitted ?? 0),
      bitrateKbps: stats.bitrateKbps + (other?.bitrateKbps ?? 0),
    }
  }
}
