import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIP } from 'node:net'
import type { PortKind } from './port-holder.ts'

/** Opens a port and closes it again. Returns the system's code where that fails, null where it works. */
export async function tryPort(kind: PortKind, host: string, port: number): Promise<string | null> {
  try {
    if (kind === 'udp') {
      const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4')
      try {
        socket.bind({ port, address: host, exclusive: true })
        await once(socket, 'listening')
      } finally {
        socket.close()
      }
    } else {
      const server = createServer()
      server.listen({ port, host, exclusive: true })
      await once(server, 'listening')
      await new Promise((resolve) => server.close(resolve))
    }
    return null
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}
