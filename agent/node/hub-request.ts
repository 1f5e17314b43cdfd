import { request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import { getCACertificates } from 'node:tls'

/** Longest answer that is read, bytes. */
const MAX_ANSWER_BYTES = 1024 * 1024

/** The node's proof of identity in TLS, and whom it trusts to be the hub. PEM. */
export interface TlsIdentity {
  /** Left out before there is a key. */
  readonly key?: string
  readonly certificate?: string
  /** The hub's own CAs, in addition to those that the system trusts. */
  readonly authorities: readonly string[]
}

export interface HubRequest {
  readonly method: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  readonly tls?: TlsIdentity | undefined
  readonly signal: AbortSignal
}

export interface HubAnswer {
  readonly status: number
  /** A header, or null. */
  readonly header: (name: string) => string | null
  /** Undefined for an answer that is no JSON. */
  readonly json: unknown
}

/**
 * One request with JSON both ways over a connection of its own, which presents the node's certificate. fetch can't
 * present one.
 */
export async function askHub(
  url: URL,
  { method, headers = {}, body, tls, signal }: HubRequest,
): Promise<HubAnswer> {
  const text = body === undefined ? undefined : JSON.stringify(body)
  const options = {
    method,
    signal,
    agent: false,
    headers: {
      accept: 'application/json',
      ...(text !== undefined && {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      }),
      ...headers,
    },
  }
  const answer = Promise.withResolvers<HubAnswer>()
  const outgoing =
    url.protocol === 'https:'
      ? requestSecure(url, { ...options, ...secured(tls) })
      : requestPlain(url, options)
  outgoing.on('error', answer.reject)
  outgoing.on('response', (response) => {
    const chunks: Buffer[] = []
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MAX_ANSWER_BYTES) response.destroy(new Error('the answer is too long'))
      else chunks.push(chunk)
    })
    response.on('error', answer.reject)
    response.on('end', () =>
      answer.resolve({
        status: response.statusCode ?? 0,
        header: (name) => [response.headers[name] ?? null].flat()[0] ?? null,
        json: parsed(Buffer.concat(chunks).toString()),
      }),
    )
  })
  outgoing.end(text)
  return answer.promise
}

function secured(tls: TlsIdentity | undefined) {
  if (!tls) return {}
  const { key, certificate, authorities } = tls
  return {
    ca: [...getCACertificates('default'), ...authorities],
    ...(key !== undefined && certificate !== undefined && { key, cert: certificate }),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
