import { heldRttMs } from '../../policy/evidence.ts'
import { standingOf } from '../../policy/health.ts'
import type { GraphLink } from '../../policy/paths/graph.ts'

/** A link must change this much before other paths may be better for it. Smaller changes never switch a path. */
const RTT = { share: 0.2, leastMs: 10 }
const LOSS = 0.01
const KBPS = { share: 0.3, least: 1000 }

interface Figures {
  readonly standing: string
  readonly rttMs: number
  readonly loss: number
  readonly kbps: number
}

/** Notices when links have changed enough to compare paths again, by tenant. `null` stands for shared links. */
export class Movement {
  readonly #figures = new WeakMap<GraphLink, Figures>()
  readonly #epochs = new Map<string | null, number>()
  #structure = 0

  /** A number that grows whenever the tenant's possible paths may have become better or worse. */
  epoch(tenantId: string): number {
    return this.#structure + (this.#epochs.get(tenantId) ?? 0) + (this.#epochs.get(null) ?? 0)
  }

  structureChanged(): void {
    this.#structure += 1
  }

  observed(link: GraphLink, nowMs: number): void {
    const { metrics, evidence, facts } = link
    if (metrics === null) return
    const now: Figures = {
      standing: standingOf(evidence, nowMs),
      rttMs: heldRttMs(evidence, metrics.rttMs, nowMs),
      loss: metrics.loss,
      kbps: metrics.bitrateKbps,
    }
    const before = this.#figures.get(link)
    if (before && !differs(before, now)) return
    this.#figures.set(link, now)
    this.#epochs.set(facts.tenantId, (this.#epochs.get(facts.tenantId) ?? 0) + 1)
  }
}

function differs(before: Figures, now: Figures): boolean {
  return (
    before.standing !== now.standing ||
    Math.abs(now.rttMs - before.rttMs) > Math.max(RTT.leastMs, RTT.share * before.rttMs) ||
    Math.abs(now.loss - before.loss) > LOSS ||
    Math.abs(now.kbps - before.kbps) > Math.max(KBPS.least, KBPS.share * before.kbps)
  )
}
