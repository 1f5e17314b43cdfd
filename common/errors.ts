/**
 * An error with a stable code, safe to show to the maker of the request.
 *
 * `code` is snake_case and never changes once released. `status` is the HTTP status for a renderer (RFC 9110 section
 * 15). `details` are lines that say what was wrong, where, and what would be right.
 */
export class CodedError extends Error {
  readonly code: string
  readonly status: number
  readonly details: readonly string[]

  constructor(
    code: string,
    message: string,
    options: { status?: number; details?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CodedError'
    this.code = code
    this.status = options.status ?? 500
    this.details = options.details ?? []
  }
}

/** The message of anything thrown, for log lines and wrapped errors. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
