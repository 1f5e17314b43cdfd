import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below what systems give to sockets that ask for any port: a connection of another test can't take one meanwhile. */
const FIRST = 10_000
const LAST = 32_767

/** No port is given to two callers of this process. */
const given = new Set<number>()

/** TCP ports of 127.0.0.1 that were free a moment ago, all different. */
export async function freeTcpPorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    ports.push(port)
  }
  return ports
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
