import { z } from 'zod'
import { CodedError } from '../common/errors.ts'

/** The data of a request or notification. @throws CodedError `bad_request` (400) that names what does not fit */
export function parseData<Schema extends z.ZodType>(schema: Schema, data: unknown): z.infer<Schema> {
  const parsed = parsedBy(schema, data)
  if (parsed?.success) return parsed.data
  throw new CodedError('bad_request', 'the request does not fit its schema', {
    details: parsed ? z.prettifyError(parsed.error).split('\n').slice(0, 10) : ['nested too deeply'],
  })
}

/** Undefined for data that is nested too deeply for schemas of any JSON, which recurse. */
function parsedBy<Schema extends z.ZodType>(schema: Schema, data: unknown) {
  try {
    return schema.safeParse(data)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** The handler of a request. @throws CodedError `unknown_method` (404) that names the known methods */
export function handlerOf<Handlers extends object>(
  handlers: Handlers,
  method: unknown,
): Handlers[keyof Handlers] {
  if (typeof method === 'string' && Object.hasOwn(handlers, method)) return handlers[method as keyof Handlers]
  throw new CodedError('unknown_method', `there is no request "${String(method).slice(0, 40)}"`, {
    details: [`allowed: ${Object.keys(handlers).join(', ')}`],
  })
}

/** A refusal in protoo's form: a status, and `code: message; details`. */
export function refusalText({ code, message, details }: CodedError): string {
  return `${code}: ${[message, ...details].join('; ')}`
}
