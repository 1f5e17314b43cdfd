import type { Latency } from '../common/wire/flow-contract.ts'
import type { ClassProfile } from './classes.ts'

/**
 * Least time after which TCP sends the last segment of a burst again, or one whose repair was lost too, ms. Linux's
 * TCP_RTO_MIN; RFC 6298 section 2.4 has a whole second. Everything behind that segment waits as long.
 */
const RETRANSMISSION_TIMEOUT_MS = 200

/** How its reason begins. */
const SUBJECT = 'detour over TCP'

export interface DetourQuestion {
  readonly profile: ClassProfile
  /** The way over UDP, as it fits the class. */
  readonly latency: Latency
  /** Round trip of the slowest link, ms. */
  readonly rttMs: number
}

/** Whether a sender may send its RIST over TCP where no UDP gets through. */
export interface DetourAnswer {
  readonly allowed: boolean
  /** How old packets become at the sender before they are dropped, ms: the class's least buffer. */
  readonly queueMs: number
  /** The arithmetic, in words. */
  readonly reason: string
}

/**
 * A detour over TCP (WebSocket, or TURN over TCP) delivers in order: behind a lost segment everything waits for the
 * segment's repair. The receiver's buffer must hold that wait and the sender's queue, in place of what it holds over
 * UDP. Pure.
 */
export function judgeDetour({ profile, latency, rttMs }: DetourQuestion): DetourAnswer {
  const queueMs = profile.ristBuffer.minMs
  const bufferMs = latency.stages.find(({ stage }) => stage === 'buffer')?.ms ?? 0
  const waitMs = rttMs + RETRANSMISSION_TIMEOUT_MS
  const heldMs = Math.max(bufferMs, waitMs + queueMs)
  const estimateMs = latency.estimate_ms - bufferMs + heldMs
  const sum = `${Math.round(latency.estimate_ms - bufferMs)} without its buffer + RTT ${Math.round(rttMs)} + TCP's time-out ${RETRANSMISSION_TIMEOUT_MS} behind a lost segment + queue ${queueMs} = ${Math.round(estimateMs)} ms`
  const { budget_ms } = latency
  const allowed = budget_ms === null || estimateMs <= budget_ms
  const words = `${SUBJECT} ${allowed ? 'allowed' : 'refused'}`
  return {
    allowed,
    queueMs,
    reason: `${words}: ${sum} ${budget_ms === null ? 'and no budget' : `of ${budget_ms} ms`}`,
  }
}

/** Whether this reason of a decision is the one about detours. */
export function isDetourReason(reason: string): boolean {
  return reason.startsWith(SUBJECT)
}
