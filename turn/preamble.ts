import { timingSafeEqual } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import { Endpoint } from '../common/net/endpoint.ts'

/** Longest first line of a connection that the hub hands over, bytes. */
const MAX_BYTES = 128
/** How long the hub may take to write it, ms. */
const WITHIN_MS = 2000
const NEWLINE = 10

/** The first line of a connection that the hub hands over: a token that proves the hub, and where the client is. */
export function preambleOf(token: string, ip: string, port: number): string {
  return `${token} ${ip} ${port}\n`
}

/** Reads the first line, and closes the connection of whoever is not the hub. @param then gets the client's address */
export function readPreamble(socket: Socket, token: string, then: (client: Endpoint) => void): void {
  socket.on('error', () => {}) // 'close' tells.
  const late = setTimeout(() => socket.destroy(), WITHIN_MS)
  socket.once('close', () => clearTimeout(late))
  let line = Buffer.alloc(0)
  const read = (chunk: Buffer): void => {
    line = Buffer.concat([line, chunk])
    const end = line.indexOf(NEWLINE)
    if (end < 0 && line.length <= MAX_BYTES) return
    socket.off('data', read)
    clearTimeout(late)
    const client = end < 0 ? null : parse(line.toString('latin1', 0, end), token)
    if (!client) return void socket.destroy()
    const rest = line.subarray(end + 1)
    if (rest.length > 0) socket.unshift(rest)
    then(client)
  }
  socket.on('data', read)
}

function parse(line: string, token: string): Endpoint | null {
  const [its = '', ip = '', port = '', ...more] = line.split(' ')
  const [given, right] = [Buffer.from(its), Buffer.from(token)]
  if (given.length !== right.length || !timingSafeEqual(given, right)) return null
  if (more.length > 0 || isIP(ip) === 0 || !/^\d{1,5}$/.test(port) || Number(port) > 65_535) return null
  return Endpoint.of(ip, Number(port))
}
