import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from '../../node-http.ts'
import type { ChallengeAnswers } from './challenge-answers.ts'

const PATH = '/.well-known/acme-challenge/'
/** A request has no body and is a line long: nobody needs more time or connections here. */
const REQUEST_MS = 5000
const MOST_CONNECTIONS = 100

export interface ChallengeListenerOptions {
  readonly answers: ChallengeAnswers
  /** Names that lead to this hub: only these are led on to https. */
  readonly names: () => readonly string[]
  /** The public port of https; 443 does not show in addresses. */
  readonly httpsPort: () => number
}

/**
 * The HTTP server of port 80: answers to HTTP-01 challenges (RFC 8555 section 8.3). What asks for the hub's own names is
 * led on to https, all else gets a 404.
 */
export function challengeServer(options: ChallengeListenerOptions): Server {
  const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: 1000 }
  const server = createServer({ ...limits, connectionsCheckingInterval: 1000 }, (request, response) =>
    answer(request, response, options),
  )
  server.maxConnections = MOST_CONNECTIONS
  server.setTimeout(REQUEST_MS)
  return server
}

function answer(request: IncomingMessage, response: ServerResponse, options: ChallengeListenerOptions): void {
  const { method, url = '/' } = request
  response.setHeader('connection', 'close')
  if (method !== 'GET' && method !== 'HEAD') return void response.writeHead(405, { allow: 'GET, HEAD' }).end()
  const [path = '/'] = url.split('?', 1)
  if (path.startsWith(PATH)) {
    const text = options.answers.keyAuthorization(path.slice(PATH.length))
    if (text === undefined) return void response.writeHead(404).end()
    return void response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(text)
  }
  const [host = ''] = (request.headers.host ?? '').toLowerCase().split(':', 1)
  const known = options.names().some((name) => name.toLowerCase() === host)
  // A path of `//` or a whole URL would lead elsewhere.
  if (!known || !url.startsWith('/') || url.startsWith('//')) return void response.writeHead(404).end()
  const port = options.httpsPort()
  const location = `https://${host}${port === 443 ? '' : `:${port}`}${url}`
  response.writeHead(308, { location }).end()
}
