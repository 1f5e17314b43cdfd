import { once } from 'node:events'
import { createServer, type RequestOptions, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { CodedError } from '../../../common/errors.ts'
import { credentialsOf } from '../../../server/auth/authenticate.ts'
import type { Auth } from '../../../server/auth/open-auth.ts'
import type { Tls } from '../../../server/tls/open-tls.ts'

/** An https server on loopback that says who the caller is, as the hub's servers do. */
export async function serveTls(tls: Tls, auth: Auth) {
  const server = createServer({ ...tls.options }, (incoming, response) => {
    auth.authenticator.authenticate(credentialsOf(incoming)).then(
      ({ id, role, credential }) => response.end(JSON.stringify({ id, role, credential })),
      (error: unknown) => {
        const { status, code } = error instanceof CodedError ? error : { status: 500, code: String(error) }
        response.writeHead(status).end(JSON.stringify({ code }))
      },
    )
  })
  const detach = tls.attach(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    server,
    async [Symbol.asyncDispose]() {
      detach()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
  readonly protocol: string | null
  /** Subject of the certificate that the server showed. */
  readonly subject: string
  readonly serial: string
}

/** One request over a connection of its own. */
export async function ask(port: number, options: RequestOptions): Promise<Answer> {
  const outgoing = request({ host: '127.0.0.1', port, path: '/', agent: false, ...options })
  outgoing.end()
  const [response] = await once(outgoing, 'response')
  const { socket } = response
  const [protocol, certificate] = [socket.getProtocol(), socket.getPeerX509Certificate()]
  let text = ''
  for await (const chunk of response) text += chunk
  return {
    status: response.statusCode,
    body: JSON.parse(text),
    protocol,
    // Told to a client once for each connection, and not when it resumes a session.
    subject: certificate?.subject ?? '',
    serial: certificate?.serialNumber ?? '',
  }
}
