import { z } from 'zod'
import { CodedError } from '../../../common/errors.ts'

const PREFIX = 'urn:ietf:params:acme:error:'
export const NONCE_PROBLEM = `${PREFIX}badNonce`

/** Longest wait that a CA can ask for, seconds: after that the hub asks again. */
export const MOST_RETRY_AFTER_S = 7 * 86_400

/** Most of what one problem says that is told. */
const MOST_CHARACTERS = 500
/** Most problems of single names that are told. */
const MOST_SUBPROBLEMS = 3

const words = {
  type: z.string().max(200).catch('about:blank'),
  detail: z.string().catch(''),
}

/**
 * A problem document (RFC 8555 section 6.7, RFC 9457). CAs add fields of their own, and what is wrong with a document must not
 * hide what is wrong with the order. An order of several names is refused by `subproblems`, one for each name.
 */
export const problemSchema = z.object({
  ...words,
  subproblems: z
    .array(z.object({ ...words, identifier: z.object({ value: z.string().max(253) }).optional() }))
    .transform((problems) => problems.slice(0, MOST_SUBPROBLEMS))
    .catch([]),
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
  if (type === `${PREFIX}externalAccountRequired`)
    return new CodedError(
      'acme_refused',
      `the ACME server takes only accounts that it knows from elsewhere (external account binding), which the hub can't show: use another acme_directory (${said})`,
      hints,
    )
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
  const parts = problem.subproblems.map(
    ({ identifier, ...part }) => `${identifier ? `${identifier.value}: ` : ''}${told(part, 'no reason')}`,
  )
  return [told(problem, `status ${status}`), ...parts].join('; ')
}

function told({ type, detail }: Pick<Problem, 'type' | 'detail'>, otherwise: string): string {
  const text = detail.replaceAll(/\s+/g, ' ').trim().slice(0, MOST_CHARACTERS)
  return `${text || otherwise} (${type.replace(PREFIX, '')})`
}
