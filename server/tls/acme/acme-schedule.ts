import { type Backoff, backoffMs } from '../../../common/retry.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export interface AcmeRules {
  /** Most orders in an hour and in a day, whatever happens: CAs count failed ones, and count for a week. */
  readonly ordersAnHour: number
  readonly ordersADay: number
  /** After a failure of the CA or of the way to it. */
  readonly unreachable: Backoff
  /** After a refusal: something must be changed first. */
  readonly refused: Backoff
  /** A renewal is due when this share of the certificate's life is over. */
  readonly renewAt: number
  /** The renewal comes earlier by up to this share of the life, so that hubs do not come in step. */
  readonly jitter: number
}

export const ACME_RULES: AcmeRules = {
  ordersAnHour: 3,
  ordersADay: 10,
  unreachable: { initialMs: 30_000, maxMs: HOUR_MS, factor: 2 },
  refused: { initialMs: 120_000, maxMs: 12 * HOUR_MS, factor: 3 },
  renewAt: 2 / 3,
  jitter: 1 / 30,
}

/** A wait that a record can ask for, at most, ms. A longer one comes from a clock that was wrong. */
const MOST_WAIT_MS = 7 * DAY_MS

/** What decides about the next order; all times in Unix milliseconds. */
export interface OrderFacts {
  /** When the certificate is due for renewal; null while there is none for the names of today. */
  readonly renewAt: number | null
  /** Not before this, after a failure. */
  readonly retryAt: number | null
  /** When orders were placed, oldest first. */
  readonly orders: readonly number[]
}

/** When to order next: now or earlier means at once. */
export function nextOrderAt({ renewAt, retryAt, orders }: OrderFacts, now: number, rules: AcmeRules): number {
  const due = renewAt ?? now
  const retry = retryAt !== null && retryAt - now <= MOST_WAIT_MS ? retryAt : now
  const within = (most: number, span: number) => {
    // Orders of the future come from a clock that was wrong: they count as of now.
    const recent = orders.map((at) => Math.min(at, now)).filter((at) => at > now - span)
    return recent.length < most ? now : recent.at(-most)! + span
  }
  return Math.max(due, retry, within(rules.ordersAnHour, HOUR_MS), within(rules.ordersADay, DAY_MS))
}

/** Orders that still count. */
export function recentOrders(orders: readonly number[], now: number, { ordersADay }: AcmeRules): number[] {
  return orders.filter((at) => at > now - DAY_MS).slice(-ordersADay)
}

/** When a certificate of this life is to be renewed, by chance a little earlier. Unix milliseconds. */
export function renewalAt(
  notBefore: number,
  notAfter: number,
  rules: AcmeRules,
  random: () => number,
): number {
  const life = notAfter - notBefore
  return Math.round(notBefore + life * (rules.renewAt - rules.jitter * random()))
}

/** How long to wait after the `failures`-th failure in a row (1 is the first), ms. */
export function waitAfter(
  failures: number,
  why: { readonly unreachable: boolean; readonly retryAfterSeconds: number | undefined },
  rules: AcmeRules,
  random: () => number,
): number {
  const pace = why.unreachable ? rules.unreachable : rules.refused
  const wait = backoffMs(pace, Math.min(failures - 1, 30), random)
  return Math.min(MOST_WAIT_MS, Math.max(wait, (why.retryAfterSeconds ?? 0) * 1000))
}
