import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, request as httpsRequest } from 'node:https'
import { dirname, join } from 'node:path'

const REPLAY = { 'replay-nonce': 'x', location: 'https://127.0.0.1/x' }

/** What is answered in the CA's place: a problem document, or any body; null leaves the answer to the CA. */
export type Spoilt =
  | {
      readonly status: number
      readonly type: string
      readonly detail: string
      readonly 'retry-after'?: string
    }
  | { readonly status: number; readonly body: string }
  | null

/** The same CA at another address, which answers some paths by itself. */
export async function beforePebble(
  pebble: { directory: string; ca: string; caFile: string },
  spoil: (path: string) => Spoilt,
) {
  const key = readFileSync(join(dirname(pebble.caFile), 'ca.key'))
  const behind = new URL(pebble.directory)
  const server = createServer({ cert: pebble.ca, key }, (incoming, response) => {
    const spoilt = spoil(incoming.url!)
    if (spoilt) {
      incoming.resume()
      if ('body' in spoilt) return void response.writeHead(spoilt.status, REPLAY).end(spoilt.body)
      const { status, type, detail, ...headers } = spoilt
      const body = { type: `urn:ietf:params:acme:error:${type}`, detail, status }
      const kind = { 'content-type': 'application/problem+json' }
      return void response.writeHead(status, { ...headers, ...REPLAY, ...kind }).end(JSON.stringify(body))
    }
    // pebble makes its addresses of the Host header: they lead here.
    const outgoing = httpsRequest(
      {
        ...{ host: behind.hostname, port: behind.port, path: incoming.url!, method: incoming.method! },
        headers: incoming.headers,
        ...{ ca: pebble.ca, agent: false },
      },
      (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      },
    )
    outgoing.on('error', (error) => response.destroy(error))
    incoming.pipe(outgoing)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return {
    directory: `https://127.0.0.1:${port}/dir`,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
