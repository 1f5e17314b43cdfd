import { CodedError } from '../../../common/errors.ts'

/** `ok`, or the status and code of the refusal. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'ok'
  } catch (error) {
    return error instanceof CodedError ? `${error.status} ${error.code}` : String(error)
  }
}
