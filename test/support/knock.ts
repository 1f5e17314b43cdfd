import { createSocket } from 'node:dgram'

/** A keepalive of RIST main profile, as a sender begins with (VSF TR-06-2 section 5.3: GRE without key or sequence number). */
export const KEEPALIVE = Buffer.from('000088b5020000000001c000', 'hex')

/** Sends one datagram to each port, as a sender that knocks. */
export async function knock(
  ports: readonly number[],
  packet: Uint8Array = KEEPALIVE,
  ip = '127.0.0.1',
): Promise<void> {
  const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4')
  try {
    await Promise.all(
      ports.map(
        (port) =>
          new Promise<void>((resolve, reject) =>
            socket.send(packet, port, ip, (error) => (error ? reject(error) : resolve())),
          ),
      ),
    )
  } finally {
    socket.close()
  }
}
