import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Nothing on the way may store an answer: the answer may hold secrets, and is out of date when it arrives. */
const HEADERS = { 'cache-control': 'no-store' } as const

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/

/** The client's id, where its form is fit for a log line, or a new id. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  requestId: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  send(response, status, JSON.stringify(body), requestId, { 'content-type': 'application/json', ...headers })
}

/** node itself leaves `content` out of answers to HEAD. */
export function send(
  response: ServerResponse,
  status: number,
  content: string | Uint8Array | undefined,
  requestId: string,
  headers: Readonly<Record<string, string>>,
): void {
  const length = content === undefined ? {} : { 'content-length': Buffer.byteLength(content) }
  response.writeHead(status, { ...HEADERS, 'x-request-id': requestId, ...length, ...headers }).end(content)
}
