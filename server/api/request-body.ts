import type { IncomingMessage } from 'node:http'
import { CodedError } from '../../common/errors.ts'
import { MAX_SEGMENT_BYTES } from '../../common/wire/backlog.ts'
import { refuseHostileJson } from './hostile-json.ts'
import { badRequest } from './refusals.ts'
import type { BodyType } from './route.ts'
import { parseToml } from './toml-body.ts'

/** Longest body of any request, bytes. */
export const MAX_BODY_BYTES = 1024 * 1024
/** Longest body that is a picture, bytes. */
export const MAX_PICTURE_BYTES = 2 * 1024 * 1024
/** Longest YAML or TOML body, bytes. They take far longer to parse than JSON; a longer document can be JSON. */
const MAX_SETTINGS_BYTES = 64 * 1024

const TYPE_NAMES: Readonly<Record<string, BodyType>> = {
  'application/json': 'application/json',
  'application/yaml': 'application/yaml',
  'application/x-yaml': 'application/yaml',
  'text/yaml': 'application/yaml',
  'application/toml': 'application/toml',
  'text/toml': 'application/toml',
  'application/sdp': 'application/sdp',
  'application/trickle-ice-sdpfrag': 'application/trickle-ice-sdpfrag',
  'application/octet-stream': 'application/octet-stream',
  'image/png': 'image/png',
  'image/jpeg': 'image/jpeg',
  'video/mp2t': 'video/mp2t',
}

export interface BodyRules {
  /** Beside what the type of the body allows. */
  readonly maxBytes: number
  /** Parses YAML on another thread, because YAML costs too much for the event loop. */
  readonly parseYaml: (text: string) => Promise<unknown>
}

/**
 * Takes no body, or an empty one, which some libraries send in chunks (RFC 9112 section 6.3).
 * @throws CodedError 400 for any other; and the reason with which `signal` is aborted
 */
export async function refuseBody(request: IncomingMessage, signal: AbortSignal): Promise<void> {
  const { 'transfer-encoding': coding, 'content-length': length = '0' } = request.headers
  if (coding === undefined && Number(length) === 0) return
  const refusal = badRequest('the request must not have a body', ['body: there must be none'])
  if (coding === undefined) throw refusal
  await readBytes(request, 0, signal).catch((error: unknown) => {
    throw error instanceof CodedError && error.code === 'body_too_large' ? refusal : error
  })
}

/**
 * The declared type of the body.
 * @throws CodedError 415 for another type, another charset than UTF-8, or compression
 */
export function bodyTypeOf({ headers }: IncomingMessage, types: readonly BodyType[]): BodyType {
  const [name = '', ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';')
  const type = Object.hasOwn(TYPE_NAMES, name.trim()) ? TYPE_NAMES[name.trim()] : undefined
  if (type === undefined || !types.includes(type))
    throw unsupported(`header Content-Type: must be ${types.join(' or ')}`)
  // Trimmed first: an expression with free space at both ends would take quadratic time.
  for (const parameter of parameters)
    if (!/^(charset\s*=\s*"?utf-?8"?)?$/.test(parameter.trim()))
      throw unsupported('header Content-Type: the only parameter allowed is charset=utf-8')
  if (!['identity', undefined].includes(headers['content-encoding']))
    throw unsupported('header Content-Encoding: a body must not be compressed')
  return type
}

/** @throws CodedError 413, 400; and the reason with which `signal` is aborted */
export async function readBody(
  request: IncomingMessage,
  type: BodyType,
  rules: BodyRules,
  signal: AbortSignal,
): Promise<unknown> {
  const bytes = await readBytes(request, Math.min(rules.maxBytes, mostOf(type)), signal)
  if (bytes.length === 0) throw badRequest('the request needs a body', [`body: must be ${type}`])
  if (isPicture(type) || type === 'video/mp2t' || type === 'application/octet-stream') return bytes
  if (type === 'application/json') refuseHostileJson(bytes)
  const text = decode(bytes)
  if (type === 'application/yaml') return await rules.parseYaml(text)
  if (type === 'application/toml') return parseToml(text)
  return type === 'application/json' ? parseJson(text) : text
}

function mostOf(type: BodyType): number {
  if (isPicture(type)) return MAX_PICTURE_BYTES
  if (type === 'video/mp2t') return MAX_SEGMENT_BYTES
  const isSettings = type === 'application/yaml' || type === 'application/toml'
  return isSettings ? MAX_SETTINGS_BYTES : MAX_BODY_BYTES
}

function isPicture(type: BodyType): boolean {
  return type === 'image/png' || type === 'image/jpeg'
}

/** Leaves the rest unread when it throws. node discards the rest after the answer. */
function readBytes(request: IncomingMessage, limit: number, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const settle = (error?: unknown): void => {
      request.off('data', onData).off('end', onEnd).off('error', settle).off('close', onClose)
      signal.removeEventListener('abort', onAbort)
      if (error === undefined) resolve(Buffer.concat(chunks))
      else reject(error)
    }
    const onAbort = (): void => settle(signal.reason)
    const onClose = (): void => settle(badRequest('the request broke off'))
    const onEnd = (): void => settle()
    const onData = (chunk: Buffer): void => {
      length += chunk.length
      if (length > limit) settle(tooLarge(limit))
      else chunks.push(chunk)
    }
    if (Number(request.headers['content-length'] ?? 0) > limit) return reject(tooLarge(limit))
    if (signal.aborted) return reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    request.on('data', onData).on('end', onEnd).on('error', settle).on('close', onClose)
  })
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw badRequest('the body is not UTF-8', ['body: must be UTF-8 text'])
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message would repeat a part of the body, which may hold secrets.
    throw badRequest('the body is not JSON', ['body: must be JSON, RFC 8259'])
  }
}

function tooLarge(limit: number): CodedError {
  return new CodedError('body_too_large', `the body is longer than ${limit} bytes`, {
    details: [`body: at most ${limit} bytes`],
  })
}

function unsupported(detail: string): CodedError {
  return new CodedError('unsupported_media_type', 'this path does not take a body of this type', {
    details: [detail],
  })
}
