import { CodedError } from '../common/errors.ts'
import { RequestBudget } from './request-budget.ts'

/** ICE restarts of one connection: a client whose network comes and goes needs one every second or two. */
const RESTARTS_PER_SECOND = 1
const RESTART_BURST = 10

/** Each restart is work for a media worker, a log line, and new credentials for relays. */
export class RestartBudget {
  readonly #budget = new RequestBudget(RESTARTS_PER_SECOND, RESTART_BURST, performance.now())

  /** @throws CodedError `too_many_requests` (429) */
  take(): void {
    if (this.#budget.take(performance.now())) return
    throw new CodedError('too_many_requests', `ICE restarts ${RESTARTS_PER_SECOND} time a second at most`)
  }
}
