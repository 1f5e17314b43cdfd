import type { ErrorCode } from '../../common/error-codes.ts'
import type { Action } from '../../common/wire/ids.ts'
import type { Authenticator } from '../auth/authenticate.ts'
import type { AuthenticatedPrincipal } from '../auth/principal.ts'
import type { RateLimits } from '../auth/rate-limits.ts'
import type { About, Authorization } from '../policies/authorizer.ts'
import type { FailureListener } from './error-answer.ts'
import type { Route } from './route.ts'
import type { YamlParser } from './yaml-parser.ts'

/** One request, answered. */
export interface AnsweredRequest {
  readonly route: Route
  readonly requestId: string
  readonly status: number
  /** The error's code; null for an answer without error. */
  readonly code: ErrorCode | null
  /** The hub failed. An error with `failed` false is a refusal. */
  readonly failed: boolean
  /** Time from the request's head to its answer. */
  readonly ms: number
}

/** What the frame needs of other rooms. */
export interface ApiParts {
  readonly authenticator: Pick<Authenticator, 'authenticate'> &
    Partial<Pick<Authenticator, 'isCurrent' | 'onChange'>>
  readonly limits: Pick<RateLimits, 'take' | 'failedAuthentication'>
  readonly authorize: (principal: AuthenticatedPrincipal, action: Action, about: About) => Authorization
  readonly yaml: Pick<YamlParser, 'parse'>
  /** Whether there is such a tenant. */
  readonly tenantExists: (tenantId: string) => boolean
  /** The hub ends: held questions are answered. */
  readonly closing?: AbortSignal
  /** Called after each answer, for metrics. */
  readonly onAnswered?: (request: AnsweredRequest) => void
  /** The hub failed at a request: for the log and `errors_total`. */
  readonly onFailure: FailureListener
  /** For tests: checks each answer against its schema, and fails the request if the answer does not fit. */
  readonly validateAnswers?: boolean
}
