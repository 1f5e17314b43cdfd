import { type ErrorCode, statusOf } from './error-codes.ts'

/** What an answer says beside code, message and details. */
export interface ErrorHints {
  /** 403: the rule that denied. */
  readonly rule?: string | undefined
  /** 503: what is full or away. */
  readonly resource?: string | undefined
  /** When to come again, whole seconds. */
  readonly retryAfterSeconds?: number | undefined
  /** 405: methods there are. */
  readonly allow?: readonly string[] | undefined
}

export interface CodedErrorOptions extends ErrorHints {
  /** HTTP status of this error, where it differs from the status of its code. */
  readonly status?: number
  readonly details?: readonly string[]
  readonly cause?: unknown
}

/**
 * An error with a stable code, safe to show to whoever made the request.
 *
 * `code` is one of the catalogue (`error-codes.ts`), which has its HTTP status; `details` are lines that say what was
 * wrong, where, and what would be right.
 */
export class CodedError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly details: readonly string[]
  readonly hints: ErrorHints

  constructor(code: ErrorCode, message: string, options: CodedErrorOptions = {}) {
    const { status = statusOf(code), details = [], cause, ...hints } = options
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'CodedError'
    this.code = code
    this.status = status
    this.details = details
    this.hints = hints
  }
}

/** The message of anything thrown, for log lines and wrapped errors. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
