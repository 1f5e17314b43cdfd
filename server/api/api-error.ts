import { CodedError } from '../../common/errors.ts'

/** What an answer says beside code, message and details. */
export interface ErrorHints {
  /** 403: the ACL rule that denied. */
  readonly rule?: string | undefined
  /** 503: what is full or away. */
  readonly resource?: string | undefined
  /** 429 and 503: when to come again, whole seconds. */
  readonly retryAfterSeconds?: number | undefined
  /** 405: methods there are. */
  readonly allow?: readonly string[] | undefined
}

/** A refusal of a request, with what its status demands to be said. */
export class ApiError extends CodedError {
  readonly hints: ErrorHints

  constructor(
    status: number,
    code: string,
    message: string,
    options: ErrorHints & { details?: readonly string[]; cause?: unknown } = {},
  ) {
    const { details = [], cause, ...hints } = options
    super(code, message, { status, details, cause })
    this.name = 'ApiError'
    this.hints = hints
  }
}

/** 400. `details`: a line for each thing that is wrong: the field, what was wrong with it, what is allowed. */
export function badRequest(message: string, details: readonly string[] = []): ApiError {
  return new ApiError(400, 'bad_request', message, { details })
}

/** 404. It must say the same whether the thing is another tenant's or not there at all. */
export function notFound(what: string): ApiError {
  return new ApiError(404, `${what.replaceAll(' ', '_')}_not_found`, `there is no such ${what}`)
}

/** 503 with what is full and when to come again. */
export function saturated(resource: string, message: string, retryAfterSeconds = 1): ApiError {
  return new ApiError(503, 'saturated', message, { resource, retryAfterSeconds })
}
