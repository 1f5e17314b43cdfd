import { z } from 'zod'
import { CodedError } from '../../../common/errors.ts'

const PREFIX = 'urn:ietf:params:acme:error:'
export const NONCE_PROBLEM = `${PREFIX}badNonce`

/** Longest wait that a CA can ask for, seconds: after that the hub asks again. */
export const MOST_RETRY_AFTER_S = 7 * 86_400

/** A problem document (RFC 8555 section 6.7, RFC 9457). CAs add fields of their own. */
export const problemSchema = z.object({
  type: z.string().max(200).default('about:blank'),
  detail: z.string().max(4000).default(''),
})
export type Problem = z.infer<typeof problemSchema>

/**
 * The error for an answer with a status of 400 or above.
 * @param retryAfter the header as it came (RFC 9110 section 10.2.3)
 * @returns `acme_rate_limited`, `acme_account_unknown`, `acme_unreachable` where the CA itself fails, or `acme_refused`
 */
export function acmeProblem(
  status: number,
  retryAfter: string | undefined,
  problem: Problem | undefined,
  nowMs: number,
): CodedError {
  const type = problem?.type ?? ''
  const said = sentence(status, problem)
  const hints = { retryAfterSeconds: retryAfterSeconds(retryAfter, nowMs) }
  if (status === 429 || type === `${PREFIX}rateLimited`)
    return new CodedError(
      'acme_rate_limited',
      `the ACME server says that it was asked too often: ${said}`,
      hints,
    )
  if (type === `${PREFIX}accountDoesNotExist`)
    return new CodedError('acme_account_unknown', `the ACME server does not know the account: ${said}`)
  // RFC 8555 section 7.3.6: a deactivated account is refused so, whatever is asked.
  if (type === `${PREFIX}unauthorized` && /account|deactivated|revoked/i.test(said))
    return new CodedError('acme_account_unknown', `the ACME server takes the account no more: ${said}`)
  if (status >= 500) return new CodedError('acme_unreachable', `the ACME server fails: ${said}`, hints)
  return new CodedError('acme_refused', `the ACME server refuses: ${said}`, hints)
}

/** Seconds from now, at most a week; undefined where the header is missing or says nothing. */
export function retryAfterSeconds(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined
  const text = header.trim()
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : Math.ceil((Date.parse(text) - nowMs) / 1000)
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, MOST_RETRY_AFTER_S) : undefined
}

/** What the CA said, on one line, for logs and alarms. */
export function sentence(status: number, problem: Problem | undefined): string {
  if (!problem) return `status ${status}`
  const detail = problem.detail.replaceAll(/\s+/g, ' ').trim().slice(0, 500)
  return `${detail || `status ${status}`} (${problem.type.replace(PREFIX, '')})`
}
