import { setTimeout as delay } from 'node:timers/promises'
import { BondedSender } from '../../../agent/sender/bonded-sender.ts'
import { isPortFree } from '../../../common/net/udp-socket.ts'
import { loadRist } from '../../../common/rist/librist.ts'
import { RistReceiver } from '../../../sfu/ingress/rist-receiver.ts'

/**
 * Proves a compiled rist-batches.c on this machine: `node prove-rist-batches.ts <library>`. An encrypted and authenticated
 * stream over two links must arrive whole and in order, and through the library's functions. Exits with an error that
 * says what did not.
 */
const PACKETS = 300
const PACKET_BYTES = 7 * 188
const COUNT_AT = 8
const WITHIN_MS = 10_000
const SECRETS = {
  passphrase: 'proof of batches',
  username: 'proof',
  password: 'of batches',
  aesBits: 256,
} as const
/** Below the ports that systems give out. */
const FIRST_PORT = 20_000
const LAST_PORT = 30_000

const [library] = process.argv.slice(2)
if (library === undefined) throw new Error('usage: prove-rist-batches.ts <library>')
const { batches } = loadRist(library)
if (batches === null) throw new Error('the functions of the library cannot be found')

const counts: number[] = []
{
  await using opened = new AsyncDisposableStack()
  const ports = twoFreePorts()
  opened.use(
    await RistReceiver.open({
      address: '127.0.0.1',
      links: ports.map((port) => ({ port })),
      ...SECRETS,
      buffer: { minMs: 100, maxMs: 100 },
      onData: (chunk) => counts.push(chunk.readUInt32BE(COUNT_AT)),
    }),
  )
  const links = ports.map((port) => ({ host: '127.0.0.1', port }))
  const sender = opened.use(await BondedSender.open({ links, mode: 'duplicate', bufferMs: 100, ...SECRETS }))
  const packet = Buffer.alloc(PACKET_BYTES, 0xff)
  for (let offset = 0; offset < PACKET_BYTES; offset += 188) packet[offset] = 0x47
  const giveUpAt = performance.now() + WITHIN_MS
  for (let count = 0; counts.length < PACKETS && performance.now() < giveUpAt; count++) {
    packet.writeUInt32BE(count, COUNT_AT)
    sender.write(packet)
    if (count % 4 === 3) await delay(5)
  }
}
const first = counts[0]
if (first === undefined || counts.length < PACKETS) throw new Error(`only ${counts.length} packets arrived`)
const stray = counts.findIndex((count, index) => count !== first + index)
if (stray >= 0) throw new Error(`packet ${counts[stray]} arrived in the place of ${first + stray}`)
if (Number(batches.received()) < PACKETS)
  throw new Error('librist does not call the functions of the library')

function twoFreePorts(): number[] {
  const free: number[] = []
  for (let port = FIRST_PORT; port < LAST_PORT && free.length < 2; port += 2) {
    if (isPortFree('127.0.0.1', port)) free.push(port)
  }
  return free
}
