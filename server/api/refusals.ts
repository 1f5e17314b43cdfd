import { CodedError } from '../../common/errors.ts'

/** 400. `details`: a line for each thing that is wrong: the field, what was wrong with it, what is allowed. */
export function badRequest(message: string, details: readonly string[] = []): CodedError {
  return new CodedError('bad_request', message, { details })
}

/** 404. It must say the same whether the thing is another tenant's or not there at all. */
export function notFound(what: 'node' | 'release' | 'route' | 'tenant' | 'token' | 'version'): CodedError {
  return new CodedError(`${what}_not_found`, `there is no such ${what}`)
}
