import { connect, type Socket } from 'node:net'
import type { Handed } from '../common/wire/turn-ipc.ts'
import { preambleOf } from './preamble.ts'

/** The first byte of each STUN message, RFC 8489, section 5; no request of HTTP begins so. */
export function beginsAsStun(first: Buffer): boolean {
  return first.length > 0 && first[0]! < 0x04
}

/**
 * Joins a client's connection to the TURN process. Either end closes the other. A slow end slows the other down, so
 * neither collects bytes here; the TURN process drops what a slow client does not take.
 */
export function handOver(socket: Socket, first: Buffer, { port, token }: Handed): void {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress === undefined || remotePort === undefined) return void socket.destroy()
  const turn = connect({ host: '127.0.0.1', port, noDelay: true })
  // HTTPS at :: sees clients of IPv4 in their mapped form.
  const ip = remoteAddress.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  turn.write(preambleOf(token, ip, remotePort))
  turn.write(first)
  socket.setNoDelay(true)
  socket.setTimeout(0)
  for (const [from, to] of [
    [socket, turn],
    [turn, socket],
  ] as const) {
    from.on('error', () => {}) // 'close' tells.
    from.once('close', () => to.destroy())
    from.pipe(to)
  }
}
