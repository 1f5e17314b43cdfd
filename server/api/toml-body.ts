import { CodedError } from '../../common/errors.ts'
import { readConfigText } from '../../common/node-config/config-text.ts'
import { badRequest } from './refusals.ts'

/** TOML 1.0, as a device's own files have it. @throws CodedError 400 with the line of its fault */
export function parseToml(text: string): unknown {
  try {
    return readConfigText(text, 'toml')
  } catch (error) {
    if (error instanceof CodedError) throw badRequest('the body is not TOML', [`body: ${error.message}`])
    throw error
  }
}
