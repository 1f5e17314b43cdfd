import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'

/**
 * A process that sends random bytes to a UDP port of this machine as fast as it can: `udp-flood.ts <port> <ms>`.
 * Tells its parent how many packets that were, and ends.
 */
const port = Number(process.argv[2])
const until = performance.now() + Number(process.argv[3])
const socket = createSocket('udp4')
const packets = Array.from({ length: 64 }, (_, index) => randomBytes(1 + ((index * 97) % 1400)))
let sent = 0

function burst(): void {
  if (performance.now() >= until) {
    socket.close()
    process.send?.(sent, undefined, undefined, () => process.disconnect())
    return
  }
  let pending = packets.length
  for (const packet of packets) {
    socket.send(packet, port, '127.0.0.1', () => {
      sent++
      pending--
      if (pending === 0) setImmediate(burst)
    })
  }
}

burst()
