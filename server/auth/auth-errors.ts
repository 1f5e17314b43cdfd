import type { ErrorCode } from '../../common/error-codes.ts'
import { CodedError } from '../../common/errors.ts'

/**
 * Why a proof was refused. Each is a 401 that tells the holder of the proof nothing new: only a proof with the right
 * signature or secret hears that it is expired or revoked.
 */
const REFUSALS = {
  credentials_malformed: 'the Authorization header is not `Bearer` and a token',
  token_invalid: 'the token is not valid',
  token_expired: 'the token is expired',
  token_revoked: 'the token was revoked',
  certificate_untrusted: "the certificate is not one of this hub's",
  certificate_expired: 'the certificate is expired',
  certificate_revoked: 'the certificate was revoked',
  enrolment_token_invalid: 'the enrolment token is not valid',
  enrolment_token_expired: 'the enrolment token is expired',
} as const

export type RefusalCode = keyof typeof REFUSALS

export function refused(code: RefusalCode): CodedError {
  return new CodedError(code, REFUSALS[code])
}

export function isRefusal(error: unknown): error is CodedError {
  return error instanceof CodedError && error.code in REFUSALS
}

/** The `WWW-Authenticate` header that goes with a 401, RFC 6750 section 3. */
export function challenge(code: ErrorCode): string {
  const error =
    code === 'credentials_malformed' ? 'invalid_request' : code.startsWith('token_') ? 'invalid_token' : null
  return error === null ? 'Bearer realm="lanecast"' : `Bearer realm="lanecast", error="${error}"`
}
