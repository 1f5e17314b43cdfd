import type { BroadcastStatus } from '../../common/wire/node-report.ts'

/** What is delivered later may take so much of what live media leaves over. */
const SHARE = 0.5
/** Where nobody knows what links can carry, so much of the live bitrate is tried. The bond notices when it is too much. */
const UNKNOWN_SHARE = 0.25
/** Nothing is live: no more than this, kb/s. */
const MOST_KBPS = 20_000
/** Growth from one second to the next: what is taken must be felt by the bond before more is. */
const GROWTH = 1.3
const LEAST_KBPS = 64
/** Of what is to spare, where the rate begins. */
const BEGIN = 0.25

export type LiveFacts = Pick<BroadcastStatus, 'state' | 'links'> & {
  /** Whether live media gets all that its contract allows, and nothing of it waits. */
  readonly isFull: boolean
}

/**
 * What may be delivered later, kb/s, with what live media does not need: nothing while a broadcast gets less than it could
 * use. Pure.
 */
export function spareKbps(live: readonly LiveFacts[]): number {
  const on = live.filter(({ state }) => state === 'live' || state === 'starting')
  if (on.length === 0) return MOST_KBPS
  if (on.some(({ state, isFull }) => state !== 'live' || !isFull)) return 0
  const spare = on.flatMap(({ links }) =>
    links
      .filter(({ state }) => state === 'carrying')
      .map(({ capacity_kbps, kbps }) =>
        capacity_kbps === null ? kbps * UNKNOWN_SHARE : Math.max(0, capacity_kbps - kbps) * SHARE,
      ),
  )
  const sum = spare.reduce((all, one) => all + one, 0)
  return Math.min(MOST_KBPS, Math.round(sum / on.length))
}

/** The rate of the next second: down at once, up gently. Pure. */
export const nextKbps = (presentKbps: number, spare: number): number =>
  spare < LEAST_KBPS ? 0 : Math.min(spare, Math.max(LEAST_KBPS, spare * BEGIN, presentKbps * GROWTH))
