import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { HANDED_OVER, STOPPING, turnOnHttps, withTurn } from '../../server/tls/turn-on-https.ts'
import { handOver } from '../../turn/hand-over.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { testCertificate } from './test-certificate.ts'
import { turnStart } from './turn-rig.ts'

const tls = await testCertificate()

/** An HTTPS server that says hello, with TURN on its port. */
export async function httpsWithTurn() {
  const turn = await TurnServer.open(turnStart())
  // As the hub: nodes prove themselves by certificates, and others have none.
  const options = { ...tls, requestCert: true, rejectUnauthorized: false }
  const https: Server = createServer(withTurn(options), (request, response) => {
    const { subject } = (request.socket as TLSSocket).getPeerCertificate()
    request.resume().once('end', () => response.end(`${request.method} hello ${subject?.CN ?? 'nobody'}`))
  })
  const counts = { handed: 0 }
  https.on(HANDED_OVER, () => {
    counts.handed += 1
  })
  turnOnHttps(
    https,
    options,
    (socket, first) => {
      handOver(socket, first, turn.bound.handed)
      return true
    },
    1000,
  )
  https.listen(0, '127.0.0.1')
  await once(https, 'listening')
  return {
    turn,
    counts,
    /** As the hub stops. */
    async stop(): Promise<void> {
      const closed = once(https, 'close')
      https.close()
      https.emit(STOPPING)
      await closed
    },
    at: { ip: '127.0.0.1', port: (https.address() as AddressInfo).port },
    async [Symbol.asyncDispose]() {
      https.closeAllConnections()
      https.close()
      await turn[Symbol.asyncDispose]()
    },
  }
}
