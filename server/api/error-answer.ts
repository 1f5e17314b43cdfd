import type { ServerResponse } from 'node:http'
import type { ErrorRequestHandler } from 'express'
import { z } from 'zod'
import type { ErrorCode } from '../../common/error-codes.ts'
import { CodedError } from '../../common/errors.ts'
import { orNoWorker } from '../../sfu/worker-loss.ts'
import { challenge } from '../auth/auth-errors.ts'
import { requestIdOf, sendJson } from './json-answer.ts'

/** Every answer that is an error. */
export const errorAnswerSchema = z.strictObject({
  error: z.strictObject({
    /** snake_case, and the same for ever. */
    code: z.string(),
    message: z.string(),
    details: z.array(z.string()),
    rule: z.string().optional().describe('403: the rule that denied'),
    resource: z.string().optional().describe('503: what is full or away'),
  }),
})
export type ErrorAnswer = z.infer<typeof errorAnswerSchema>

/** The value of Retry-After where nobody says when to come again, seconds. */
const RETRY_AFTER_SECONDS = 1

/** Codes with status 503 that are no failure: the hub refuses as it was told to. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set(['saturated', 'no_path', 'ports_exhausted', 'draining'])

/** Whether the hub failed; else it refused. */
export function isFailure({ status, code }: Pick<CodedError, 'status' | 'code'>): boolean {
  return status >= 500 && !(status === 503 && REFUSALS.has(code))
}

/** Hears of each failure of the hub. */
export type FailureListener = (code: ErrorCode, cause: unknown, requestId: string) => void

/** What an error's answer said. */
export interface AnsweredError {
  readonly status: number
  readonly code: ErrorCode
  /** The hub failed; else it refused. */
  readonly failed: boolean
}

/** Answers what express and its handlers throw. */
export function errorAnswers(onFailure: FailureListener): ErrorRequestHandler {
  return (thrown, request, response, next) => {
    if (response.headersSent) return next(thrown)
    sendError(response, thrown, requestIdOf(request), onFailure)
  }
}

/** The one place that turns a thrown error into an HTTP answer. */
export function sendError(
  response: ServerResponse,
  thrown: unknown,
  requestId: string,
  onFailure: FailureListener,
): AnsweredError {
  const known = orNoWorker(thrown)
  const error = codedError(known)
  const { code, status, message, details, hints } = error
  const failed = isFailure(error)
  if (failed) onFailure(code, known, requestId)
  const retryAfter = hints.retryAfterSeconds ?? (status === 503 ? RETRY_AFTER_SECONDS : undefined)
  const body: ErrorAnswer = {
    error: {
      code,
      message,
      details: [...details],
      ...(hints.rule === undefined ? {} : { rule: hints.rule }),
      ...(status === 503 ? { resource: hints.resource ?? resourceOf(code) } : {}),
    },
  }
  sendJson(response, status, body, requestId, {
    ...(status === 401 ? { 'www-authenticate': challenge(code) } : {}),
    ...(retryAfter === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(retryAfter))) }),
    ...(hints.allow === undefined ? {} : { allow: hints.allow.join(', ') }),
  })
  return { status, code, failed }
}

/** Details of what went wrong inside stay in the log. */
function codedError(thrown: unknown): CodedError {
  if (thrown instanceof CodedError && (thrown.status < 500 || thrown.status === 503)) return thrown
  // express puts the client's faults in `status`. Its messages are not used, because they repeat what the client sent.
  const status = typeof thrown === 'object' && thrown !== null ? Reflect.get(thrown, 'status') : undefined
  if (!(thrown instanceof CodedError) && typeof status === 'number' && status >= 400 && status < 500)
    return new CodedError('bad_request', 'the request is malformed', { status })
  const code = thrown instanceof CodedError ? thrown.code : 'internal'
  return new CodedError(code, 'the hub failed; its log says why', { status: 500 })
}

function resourceOf(code: ErrorCode): string {
  return /^(store|audit|database)_/.test(code) ? 'store' : code
}
