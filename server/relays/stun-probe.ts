import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TurnUrl } from '../../common/net/turn-url.ts'
import { answersBinding, bindingRequest } from '../../common/stun/binding.ts'
import { HEADER_BYTES } from '../../common/stun/stun-types.ts'

/**
 * Asks a STUN or TURN server for a Binding (RFC 8489), once: a lost datagram counts as lost.
 * @returns the round trip, ms; over TCP and TLS that of the request alone
 * @throws where no answer comes before the signal aborts
 */
export function probeStun(server: TurnUrl, signal: AbortSignal): Promise<number> {
  return server.protocol === 'udp' ? probeUdp(server, signal) : probeStream(server, signal)
}

function probeUdp({ host, port }: TurnUrl, signal: AbortSignal): Promise<number> {
  const request = bindingRequest()
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  // Node looks the name up before the socket has a family: two sockets would be needed for a name with both.
  const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4' })
  socket.on('error', reject)
  const stop = () => reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  // A callback of `connect` would be called for a failure too, and take the place of the event.
  socket.once('connect', () => {
    const sentAt = performance.now()
    socket.on('message', (answer) => {
      if (answersBinding(request, answer, 'success')) resolve(performance.now() - sentAt)
    })
    socket.send(request)
  })
  socket.connect(port, host)
  return promise.finally(() => {
    signal.removeEventListener('abort', stop)
    socket.close()
  })
}

function probeStream({ host, port, protocol }: TurnUrl, signal: AbortSignal): Promise<number> {
  const request = bindingRequest()
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  // Nothing secret is said, and whoever answers is trusted with nothing: clients check the certificate for themselves.
  const socket =
    protocol === 'tls' ? connectTls({ host, port, rejectUnauthorized: false }) : connect({ host, port })
  const stop = () => reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('the connection was closed')))
  socket.on(protocol === 'tls' ? 'secureConnect' : 'connect', () => {
    const sentAt = performance.now()
    let answer: Buffer = Buffer.alloc(0)
    socket.on('data', (more: Buffer) => {
      answer = Buffer.concat([answer, more.subarray(0, HEADER_BYTES)])
      if (answersBinding(request, answer, 'success')) resolve(performance.now() - sentAt)
      else if (answer.length >= HEADER_BYTES) reject(new Error('what answers is no STUN server'))
    })
    socket.write(request)
  })
  return promise.finally(() => {
    signal.removeEventListener('abort', stop)
    socket.destroy()
  })
}
