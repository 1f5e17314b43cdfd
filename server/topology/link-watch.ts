import { CONGESTED_LOSS, CONGESTED_QUEUE_MS, TELLING_KBPS } from '../../policy/capacity.ts'
import { standingOf } from '../../policy/health.ts'
import type { GraphLink } from '../../policy/paths/graph.ts'
import { newLinkView, readLink } from '../../policy/paths/link-view.ts'

export type LinkChange = 'down' | 'back' | 'congested' | 'relieved'

export const LINK_WATCH_RULES = {
  /** Congestion is believed when this many reports in a row show it, over this long, ms. A burst is no congestion. */
  congestedReports: 2,
  congestedForMs: 1000,
  /** Congestion that lasts is reported again this often, ms: the first answer may not have been enough. */
  tellAgainMs: 3000,
  /** Signs must stay below half of the congestion thresholds for this long, ms. Each relapse doubles the time. */
  relievedForMs: 5000,
  maxDoublings: 4,
  /** A link that was fine for this long is believed again at once, ms. */
  forgiveAfterMs: 120_000,
} as const

/** Signs below this share of the thresholds are good signs. */
const RELIEF = 0.5

const view = newLinkView()

/** Tells lasting changes of a link with media from noise. */
export class LinkWatch {
  #down = false
  #congested = false
  /** Signs in a row against the present state. */
  #signs = 0
  #signsSince = 0
  #reportAt = Number.NEGATIVE_INFINITY
  #toldAt = Number.NEGATIVE_INFINITY
  #relievedAt = Number.NEGATIVE_INFINITY
  #relapses = 0

  get down(): boolean {
    return this.#down
  }

  get congested(): boolean {
    return this.#congested
  }

  /** The change since the last look. */
  look(link: GraphLink, nowMs: number): LinkChange | null {
    const standing = standingOf(link.evidence, nowMs)
    const down = standing === 'dead' || standing === 'silent'
    if (down !== this.#down && (down || standing === 'serving')) {
      this.#down = down
      return down ? 'down' : 'back'
    }
    return this.#lookAtLoad(link, nowMs)
  }

  #lookAtLoad(link: GraphLink, nowMs: number): LinkChange | null {
    const { metrics } = link
    if (metrics === null) return null
    if (metrics.at > this.#reportAt) {
      this.#reportAt = metrics.at
      this.#count(link, nowMs)
    }
    const { congestedReports, congestedForMs, tellAgainMs } = LINK_WATCH_RULES
    const lasted = nowMs - this.#signsSince
    if (this.#congested) {
      if (this.#signs > 0 && lasted >= this.#reliefMs()) return this.#turn(false, nowMs)
      if (nowMs - this.#toldAt < tellAgainMs) return null
      this.#toldAt = nowMs
      return 'congested'
    }
    return this.#signs >= congestedReports && lasted >= congestedForMs ? this.#turn(true, nowMs) : null
  }

  /** Counts reports in a row that speak for a change. */
  #count(link: GraphLink, nowMs: number): void {
    const { queueMs, loss, weight } = readLink(link, nowMs, view)
    const bitrateKbps = link.metrics?.bitrateKbps ?? 0
    const part = this.#congested ? RELIEF : 1
    const telling = weight > 0 && bitrateKbps >= TELLING_KBPS
    const signs = telling && (queueMs >= CONGESTED_QUEUE_MS * part || loss >= CONGESTED_LOSS * part)
    if (signs === this.#congested) this.#signs = 0
    else {
      if (this.#signs === 0) this.#signsSince = nowMs
      this.#signs += 1
    }
  }

  #turn(congested: boolean, nowMs: number): LinkChange {
    this.#congested = congested
    this.#signs = 0
    if (congested) {
      const soon = nowMs - this.#relievedAt < LINK_WATCH_RULES.forgiveAfterMs
      this.#relapses = soon ? this.#relapses + 1 : 0
      this.#toldAt = nowMs
    } else this.#relievedAt = nowMs
    return congested ? 'congested' : 'relieved'
  }

  /** A link that was relieved too early waits longer the next time. */
  #reliefMs(): number {
    const { relievedForMs, maxDoublings } = LINK_WATCH_RULES
    return relievedForMs * 2 ** Math.min(this.#relapses, maxDoublings)
  }
}
