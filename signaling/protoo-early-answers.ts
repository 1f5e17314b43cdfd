import type { Peer, WebSocketTransport } from 'protoo-server'

/**
 * protoo-server 4.0.8 listens for the answer to a request only once the request has left. An answer that comes sooner is
 * lost, and on one machine many do. From here on a message counts as sent at once. Where it can't be sent, the connection
 * is over, and with it whatever waits for an answer.
 */
export function hearEarlyAnswers(peer: Peer, transport: WebSocketTransport): void {
  const send = transport.send.bind(transport)
  transport.send = async (message) => {
    if (transport.closed) throw new Error('the connection closed')
    send(message).catch(() => peer.close())
  }
}
