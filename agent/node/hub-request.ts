import { type IncomingMessage, request } from 'node:http'
import type { HubClock } from './hub-clock.ts'
import { authorizationOf, connectToHub } from './hub-connection.ts'
import type { TlsIdentity } from './tls-identity.ts'

/** Longest answer that is read, bytes. */
const MAX_ANSWER_BYTES = 1024 * 1024

export interface HubRequest {
  readonly method: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  readonly tls?: TlsIdentity | undefined
  /** Learns the hub's time from the answer. */
  readonly clock?: HubClock | undefined
  readonly signal: AbortSignal
}

export interface HubAnswer {
  readonly status: number
  /** A header, or null. */
  readonly header: (name: string) => string | null
  readonly bytes: Buffer
  /** Undefined for an answer that is no JSON. */
  readonly json: unknown
}

/** The Date of an answer has whole seconds (RFC 9110 section 6.6.1), ms. */
const DATE_RESOLUTION_MS = 1000

/**
 * One request with JSON both ways over a connection of its own, which presents the node's certificate. fetch can't
 * present one.
 */
export async function askHub(
  url: URL,
  { method, headers = {}, body, tls, clock, signal }: HubRequest,
): Promise<HubAnswer> {
  const text = body === undefined ? undefined : JSON.stringify(body)
  const socket = await connectToHub(url, tls, signal)
  const sentAt = clock?.read() ?? 0
  const outgoing = request({
    method,
    signal,
    createConnection: () => socket,
    path: `${url.pathname}${url.search}`,
    headers: {
      host: url.host,
      connection: 'close',
      accept: 'application/json',
      ...authorizationOf(tls),
      ...(text !== undefined && {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      }),
      ...headers,
    },
  })
  const answer = Promise.withResolvers<HubAnswer>()
  outgoing.on('error', answer.reject)
  outgoing.on('response', (response) => {
    const hubUnixMs = Date.parse(response.headers.date ?? '')
    clock?.sample(sentAt, hubUnixMs, clock.read(), DATE_RESOLUTION_MS)
    readAnswer(response).then(answer.resolve, answer.reject)
  })
  outgoing.end(text)
  try {
    return await answer.promise
  } finally {
    socket.destroy()
  }
}

async function readAnswer(response: IncomingMessage): Promise<HubAnswer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  const content = Buffer.concat(chunks)
  return {
    status: response.statusCode ?? 0,
    header: (name) => [response.headers[name] ?? null].flat()[0] ?? null,
    bytes: content,
    // A release is no JSON, and long.
    get json() {
      return parsed(content.toString())
    },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
