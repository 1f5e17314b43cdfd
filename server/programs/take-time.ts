import { CodedError } from '../../common/errors.ts'
import { pause } from '../../common/retry.ts'
import { MAX_TAKE_AHEAD_MS, MAX_TAKE_LATE_MS } from '../../common/wire/programs-api.ts'

/** @throws CodedError `bad_request` (400) for a time of a take that is too far from now, Unix ms */
export function refuseFarTimes(at: number | undefined, now: number): void {
  if (at === undefined || (at >= now - MAX_TAKE_LATE_MS && at <= now + MAX_TAKE_AHEAD_MS)) return
  const [late, ahead] = [MAX_TAKE_LATE_MS / 1000, MAX_TAKE_AHEAD_MS / 1000]
  throw new CodedError('bad_request', 'the time of the take is too far away', {
    details: [
      `body.at_unix_ms: must be at most ${late} s ago and ${ahead} s ahead; it is ${Math.round(now)} now`,
    ],
  })
}

/** The outcome, if it comes in time. @throws CodedError `switch_unavailable` (503) */
export async function within<T>(ms: number, outcome: Promise<T>): Promise<T> {
  const over = new AbortController()
  const late = pause(ms, over.signal).then(() => {
    throw new CodedError('switch_unavailable', `the switch did not answer within ${ms} ms`)
  })
  try {
    return await Promise.race([outcome, late])
  } finally {
    late.catch(() => {})
    outcome.catch(() => {})
    over.abort()
  }
}
