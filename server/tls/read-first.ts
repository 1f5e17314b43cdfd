import type { Socket } from 'node:net'

/** More than the largest record of TLS; a first message is shorter. */
const MAX_BYTES = 20_000

/**
 * Reads the beginning of a connection, until it says who should have it. A silent client is let go.
 * @param decide gets all that was read; null where more must come first. Else it is called, and has the connection alone
 */
export function readFirst<Connection extends Socket>(
  socket: Connection,
  withinMs: number,
  decide: (bytes: Buffer) => (() => void) | null,
): void {
  let read = Buffer.alloc(0)
  const silent = setTimeout(() => socket.destroy(), withinMs)
  const failed = (): void => {} // 'close' tells.
  const leave = (): void => {
    clearTimeout(silent)
    socket.off('readable', more).off('close', leave).off('error', failed)
  }
  const more = (): void => {
    const chunk: Buffer | null = socket.read()
    // The client ended its side.
    if (chunk === null) return socket.readableEnded || socket.closed ? void socket.destroy() : undefined
    read = Buffer.concat([read, chunk])
    const go = decide(read)
    if (go === null) return read.length > MAX_BYTES ? void socket.destroy() : undefined
    leave()
    go()
  }
  socket.on('readable', more).once('close', leave).on('error', failed)
}
