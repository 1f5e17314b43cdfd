import type { IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { request as requestHttp } from '../node-http.ts'
import type { AddressGuard } from './address-guard.ts'

const TIMEOUT_MS = 10_000

export interface Delivery {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface DeliverOptions {
  readonly guard: AddressGuard
  /** Further CAs to trust, PEM; the system's by default. */
  readonly ca?: string | undefined
  /** Longest wait for the answer's status. */
  readonly timeoutMs?: number | undefined
  readonly signal: AbortSignal
}

/** Posts once and returns the status. Redirects are not followed. Only the status of the answer is read. */
export async function deliver(delivery: Delivery, options: DeliverOptions): Promise<number> {
  const { guard, ca, timeoutMs = TIMEOUT_MS, signal } = options
  const { url, body } = delivery
  guard.checkLiteral(url)
  const request = url.protocol === 'https:' ? requestHttps : requestHttp
  return await new Promise<number>((resolve, reject) => {
    const outgoing = request(url, {
      method: 'POST',
      headers: { ...delivery.headers, 'content-length': Buffer.byteLength(body) },
      // A connection of its own: nothing that was looked up for another delivery is used.
      agent: false,
      lookup: guard.lookup,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      ...(ca === undefined ? {} : { ca }),
    })
    outgoing.on('error', reject)
    outgoing.once('response', (response: IncomingMessage) => {
      resolve(response.statusCode ?? 0)
      response.on('error', () => {})
      response.destroy()
    })
    outgoing.end(body)
  })
}
