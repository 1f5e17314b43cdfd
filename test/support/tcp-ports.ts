import { once } from 'node:events'
import { createServer } from 'node:net'
import { portSlice } from './port-slice.ts'

/** No port is given to two callers of this process. */
const given = new Set<number>()

/** TCP ports of 127.0.0.1 that were free a moment ago, all different. */
export async function freeTcpPorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const { first, last } = portSlice(given.size)
    const port = first + Math.floor(Math.random() * (last + 1 - first))
    if (given.has(port)) continue
    // Before the look, which takes a moment: another caller could look at the same port.
    given.add(port)
    if (await isFree(port)) ports.push(port)
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
