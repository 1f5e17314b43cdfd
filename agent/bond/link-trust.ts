import type { LinkEvidence } from './link-evidence.ts'

/**
 * Whether anything may depend on a link.
 * - `carrying`: it has its part of the packets
 * - `paused`: silent for so short a time that it may be a hiccup; nothing new is given to it
 * - `dead`: silent
 * - `resting`: alive again, or late, and not trusted yet: only what shows that it lives
 * - `trial`: it carries a small part, which others repair where the link fails
 */
export type LinkPhase = 'carrying' | 'paused' | 'dead' | 'resting' | 'trial'

export interface LinkTrust {
  readonly phase: LinkPhase
  /** When the phase began. */
  readonly sinceMs: number
  /** Breaks that are not forgiven. Each doubles the rest before the next trial. */
  readonly breaks: number
  /** Since when the link has been late without a break; null while it is not. */
  readonly lateSinceMs: number | null
}

/** Receivers speak every 100 ms, twice. A link that is left after this time is left 300 ms after its death, ms. */
const PAUSE_MS = 200
/** A silence of this length is an outage, or a delay that has grown by as much, ms. */
const OUTAGE_MS = 450
/** Silence after which a link counts as dead, ms. */
const DEAD_MS = 1000
/** A link that has begun has this long to show life, ms: it must authenticate first. */
const BEGIN_MS = 3000
/** Rest before a trial, ms; doubled by each break beyond the first. */
const REST_MS = { first: 500, most: 16_000 }
/** Length of a trial, ms. */
const TRIAL_MS = 1000
/** Added to the rest after a trial that failed, ms. */
const FAILED_REST_MS = 1000
/** One break is forgiven after a run of this length, ms. */
const FORGIVE_MS = 20_000
const MOST_BREAKS = 8
/** A trial fails where this share of its packets is missing, and no fewer than so many. */
const FAILED_SHARE = 0.35
const FAILED_PACKETS = 6
/** A queue that takes this share of the receiver's patience makes packets late. */
const LATE_SHARE = 0.5
/** How long a carrying link may be late, ms: its load falls first, and that may be enough. */
const LATE_MS = 1500

/** A link that begins is trusted: nobody has anything against it. */
export const newTrust = (nowMs: number): LinkTrust => ({
  phase: 'carrying',
  sinceMs: nowMs + BEGIN_MS,
  breaks: 0,
  lateSinceMs: null,
})

/** @param bufferMs how long the receiver waits for a packet */
export function judge(trust: LinkTrust, evidence: LinkEvidence, bufferMs: number, nowMs: number): LinkTrust {
  const { phase, sinceMs, breaks } = trust
  const { silentMs } = evidence
  const isLate = evidence.queueMs > bufferMs * LATE_SHARE
  const forMs = nowMs - sinceMs
  switch (phase) {
    case 'carrying': {
      const hasBegun = forMs >= 0 || evidence.rttMs !== null
      if (silentMs >= PAUSE_MS && hasBegun) return enter(trust, 'paused', nowMs)
      const lateSinceMs = isLate ? (trust.lateSinceMs ?? nowMs) : null
      if (lateSinceMs !== null && nowMs - lateSinceMs >= LATE_MS) return broken(trust, 'resting', nowMs)
      if (breaks > 0 && forMs >= FORGIVE_MS)
        return { ...trust, breaks: breaks - 1, sinceMs: nowMs, lateSinceMs }
      return lateSinceMs === trust.lateSinceMs ? trust : { ...trust, lateSinceMs }
    }
    case 'paused':
      if (silentMs >= DEAD_MS) return broken(trust, 'dead', nowMs)
      if (silentMs >= PAUSE_MS) return trust
      // The silence before the pause began counts.
      return forMs + PAUSE_MS < OUTAGE_MS ? enter(trust, 'carrying', nowMs) : broken(trust, 'resting', nowMs)
    case 'dead':
      return silentMs < PAUSE_MS ? enter(trust, 'resting', nowMs) : trust
    case 'resting':
      if (silentMs >= DEAD_MS) return enter(trust, 'dead', nowMs)
      // The rest counts from the last sign that something is wrong.
      if (silentMs >= PAUSE_MS || isLate) return enter(trust, 'resting', nowMs)
      return forMs >= restMs(breaks) ? enter(trust, 'trial', nowMs) : trust
    case 'trial':
      // A link that was not trusted has broken nothing. It rests for as long again, and a little longer.
      if (silentMs >= PAUSE_MS || isLate || hasFailed(evidence))
        return enter(trust, 'resting', nowMs + FAILED_REST_MS)
      return forMs >= TRIAL_MS ? enter(trust, 'carrying', nowMs) : trust
  }
}

/** Whether a link comes and goes: it rests for so long that others are better asked. */
export const isMarginal = ({ phase, breaks }: LinkTrust): boolean =>
  (phase === 'resting' || phase === 'trial') && breaks >= 3

const hasFailed = ({ missing, missingPackets, usualLoss }: LinkEvidence): boolean =>
  missing - usualLoss > FAILED_SHARE && missingPackets >= FAILED_PACKETS

const restMs = (breaks: number): number =>
  Math.min(REST_MS.most, REST_MS.first * 2 ** Math.max(0, breaks - 1))

const enter = (trust: LinkTrust, phase: LinkPhase, nowMs: number): LinkTrust => ({
  ...trust,
  phase,
  sinceMs: nowMs,
  lateSinceMs: null,
})

const broken = (trust: LinkTrust, phase: LinkPhase, nowMs: number): LinkTrust => ({
  ...enter(trust, phase, nowMs),
  breaks: Math.min(MOST_BREAKS, trust.breaks + 1),
})
