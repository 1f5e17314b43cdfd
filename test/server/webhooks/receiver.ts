import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** An integrator's server on loopback: keeps what it got and answers as ordered. */
export async function receiver(tls?: { cert: string; key: string }) {
  const received: Received[] = []
  const answers = { status: 204, headers: {} as Record<string, string>, hang: false }
  const handle: RequestListener = async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    received.push({ headers: request.headers, body })
    if (!answers.hang) response.writeHead(answers.status, answers.headers).end('thanks')
  }
  const server = tls ? createSecureServer(tls, handle) : createServer(handle)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    received,
    answers,
    port,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}/hook?key=1`,
    events: () => received.map(({ body }) => JSON.parse(body)),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
