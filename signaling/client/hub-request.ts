import type { z } from 'zod'
import { type HubError, hubErrorSchema } from '../../common/wire/hub-error.ts'

/** Longest wait for an answer, ms. */
const ANSWER_TIMEOUT_MS = 5_000

/** The hub answered with an error. */
export class HubRefusal extends Error {
  /** HTTP status. */
  readonly status: number
  readonly error: HubError
  /** How long the hub asks the client to wait, ms; 0 where it does not say. */
  readonly retryAfterMs: number

  constructor(status: number, error: HubError, retryAfterMs: number) {
    super(error.message)
    this.status = status
    this.error = error
    this.retryAfterMs = retryAfterMs
  }
}

export interface HubRequest {
  readonly hubUrl: string
  readonly path: string
  /** Bearer token; null for an anonymous caller. */
  readonly token: string | null
  /** Sent as JSON with POST. Without a body the request is a GET. */
  readonly body?: object
  readonly signal?: AbortSignal
}

/**
 * One request of the REST API, answered within 5 s.
 * @throws HubRefusal, or an Error that says why there is no answer
 */
export async function askHub<Schema extends z.ZodType>(
  { hubUrl, path, token, body, signal }: HubRequest,
  schema: Schema,
): Promise<z.infer<Schema>> {
  const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  const response = await fetch(new URL(path, hubUrl), {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      accept: 'application/json',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== null && { authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    cache: 'no-store',
    signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
  }).catch(() => {
    throw new Error(timeout.aborted ? 'the server did not answer' : 'the server could not be reached')
  })
  const answer: unknown = await response.json().catch(() => null)
  if (!response.ok) throw refusalOf(response, answer)
  const parsed = schema.safeParse(answer)
  if (!parsed.success) throw new Error('the server sent an answer that can’t be understood')
  return parsed.data
}

function refusalOf(response: Response, answer: unknown): HubRefusal {
  const error = hubErrorSchema.safeParse(answer).data?.error
  const unknown = { code: 'unknown', message: `the server answered ${response.status}`, details: [] }
  const seconds = Number(response.headers.get('retry-after') ?? 0)
  return new HubRefusal(response.status, error ?? unknown, Number.isFinite(seconds) ? seconds * 1000 : 0)
}
