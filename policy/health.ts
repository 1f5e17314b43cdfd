import { EVIDENCE_RULES, type LinkEvidence } from './evidence.ts'

/**
 * The standing of a link by the evidence of delivered packets:
 * `serving`: the link delivers and is trusted;
 * `probing`: the link delivers again and is not trusted yet;
 * `unproven`: the link never carried anything, however well it answers pings;
 * `silent`: the link once delivered, and nothing is known of it now;
 * `dead`: packets were sent and did not arrive.
 */
export type LinkStanding = 'serving' | 'probing' | 'unproven' | 'silent' | 'dead'

export const FRESHNESS_RULES = {
  /** Up to this age a measurement counts in full, ms. */
  freshMs: 5000,
  /** From this age on a measurement counts for nothing, ms. */
  invalidMs: 30_000,
} as const

export function standingOf(evidence: LinkEvidence, nowMs: number): LinkStanding {
  const { deliveredAt, failedAt } = evidence
  if (failedAt !== null && (deliveredAt === null || failedAt >= deliveredAt)) {
    return nowMs - failedAt <= EVIDENCE_RULES.deadHoldMs ? 'dead' : 'silent'
  }
  if (deliveredAt === null) return 'unproven'
  if (nowMs - deliveredAt > EVIDENCE_RULES.silentAfterMs) return 'silent'
  return evidence.admitted ? 'serving' : 'probing'
}

/** Weight of a measurement by its age, 1 (fresh) to 0 (no longer valid). */
export function freshness(measuredAt: number | null, nowMs: number): number {
  if (measuredAt === null) return 0
  const stale = nowMs - measuredAt - FRESHNESS_RULES.freshMs
  if (stale <= 0) return 1
  return Math.max(0, 1 - stale / (FRESHNESS_RULES.invalidMs - FRESHNESS_RULES.freshMs))
}

/** The standing in words, with the times that decided. */
export function describeStanding(evidence: LinkEvidence, nowMs: number): string {
  const standing = standingOf(evidence, nowMs)
  const ago = (at: number | null) => (at === null ? 'never' : `${Math.round((nowMs - at) / 100) / 10} s ago`)
  switch (standing) {
    case 'serving':
      return `serving, packets delivered ${ago(evidence.deliveredAt)}`
    case 'probing':
      return `probing since ${ago(evidence.runSince)}, after ${evidence.breaks} recent failures`
    case 'unproven':
      return 'unproven: no packet was ever delivered over it'
    case 'silent':
      return `silent: last packet delivered ${ago(evidence.deliveredAt)}`
    case 'dead':
      return `dead: packets lost ${ago(evidence.failedAt)}, last delivered ${ago(evidence.deliveredAt)}`
  }
}
