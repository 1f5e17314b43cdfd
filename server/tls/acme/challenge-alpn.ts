import type { Server, TLSSocket, TlsOptions } from 'node:tls'
import { ACME_TLS_PROTOCOL, type ChallengeAnswers } from './challenge-answers.ts'

const HTTP = 'http/1.1'

/**
 * TLS-ALPN-01 in the hub's own listener (RFC 8737). A certificate is changed only for a client that asks for
 * `acme-tls/1` at a name whose challenge is under way: all other connections see what they see without this.
 */
export function challengeAlpn(answers: ChallengeAnswers): Pick<TlsOptions, 'ALPNCallback'> {
  return {
    // Node calls it as a method of the connection's socket, and only where the client sends a list of protocols.
    ALPNCallback(this: TLSSocket, { servername, protocols }) {
      // RFC 8737 section 3: the CA asks for nothing else. A browser that asks for more gets HTTP.
      if (protocols.length === 1 && protocols[0] === ACME_TLS_PROTOCOL) {
        const context = answers.context(servername)
        if (context === undefined) return undefined
        this.setKeyCert(context)
        return ACME_TLS_PROTOCOL
      }
      // As Node answers without a callback: nothing in common ends the connection with an alert.
      return protocols.includes(HTTP) ? HTTP : undefined
    },
  }
}

/** A connection for a challenge ends with its handshake: no byte of HTTP is read from it. */
export function endChallenges(server: Server): void {
  server.prependListener('secureConnection', (socket) => {
    if (socket.alpnProtocol === ACME_TLS_PROTOCOL) socket.end()
  })
}
