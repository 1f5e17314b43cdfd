import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createWorker, type types } from 'mediasoup'

/**
 * Proves that a worker on this machine batches its sends (`shims/batched-sends.c`) and loses nothing by it:
 * `node prove-batched-sends.ts <worker>`, with the shim in LANECAST_WORKER_LIBRARY where it is not linked in. Ends with
 * 0 when it does, else with 1 and a line on stderr that says why.
 */

/** Each packet goes to all consumers in one turn of the worker's loop. */
const PACKETS = 20
const CONSUMERS = 8
const SSRC = 1111
const WITHIN_MS = 10_000

const codec: types.RtpCodecCapability & types.RtpCodecParameters = {
  kind: 'audio',
  mimeType: 'audio/opus',
  clockRate: 48_000,
  channels: 2,
  payloadType: 100,
  preferredPayloadType: 100,
}

const [workerBin] = process.argv.slice(2)
assert(workerBin !== undefined, 'usage: prove-batched-sends.ts <worker>')
const folder = await mkdtemp(join(tmpdir(), 'lanecast-proof-'))
const deadline = setTimeout(() => end(`not proved within ${WITHIN_MS} ms`), WITHIN_MS)
try {
  await prove(workerBin, join(folder, 'counters'))
  end(null)
} catch (error) {
  end(error instanceof Error ? error.message : String(error))
}

/** Ends this process, whatever is still open; the worker ends with it. */
function end(why: string | null): never {
  clearTimeout(deadline)
  rmSync(folder, { recursive: true })
  if (why !== null) process.stderr.write(`${why}\n`)
  process.exit(why === null ? 0 : 1)
}

async function prove(binary: string, report: string): Promise<void> {
  process.env.LANECAST_BATCHED_SENDS_REPORT = report
  process.env.LANECAST_BATCHED_SENDS = 'on'
  process.env.LANECAST_WORKER = binary
  const launcher = join(import.meta.dirname, '../../../sfu/worker-launcher.sh')
  const arrived = await received(await createWorker({ workerBin: launcher }))
  assert.deepEqual(
    arrived,
    arrived.map((_, index) => Math.floor(index / CONSUMERS)),
    'packets came in another order',
  )
  const counters = await readFile(report).catch(() => null)
  assert(counters !== null, 'the code for it is not in this worker')
  const [packets, batches] = [counters.readBigUInt64LE(0), counters.readBigUInt64LE(8)]
  assert(packets >= arrived.length && batches < packets, `${packets} packets were sent in ${batches} batches`)
}

/** Sends packets through the worker. Resolves to the numbers in their payloads, in the order of their arrival. */
async function received(worker: types.Worker): Promise<number[]> {
  const router = await worker.createRouter({ mediaCodecs: [codec] })
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const numbers: number[] = []
  const all = Promise.withResolvers<void>()
  socket.on('message', (datagram) => {
    // RTCP of the transport comes to the same port.
    if ((datagram[1]! & 0x7f) !== codec.payloadType) return
    numbers.push(datagram.readUInt32BE(datagram.length - 4))
    if (numbers.length === PACKETS * CONSUMERS) all.resolve()
  })
  const direct = await router.createDirectTransport()
  const plain = await router.createPlainTransport({ listenInfo: { protocol: 'udp', ip: '127.0.0.1' } })
  await plain.connect({ ip: '127.0.0.1', port: socket.address().port })
  const encodings = [{ ssrc: SSRC }]
  const producer = await direct.produce({ kind: 'audio', rtpParameters: { codecs: [codec], encodings } })
  const wanted = { producerId: producer.id, rtpCapabilities: router.rtpCapabilities }
  for (let count = 0; count < CONSUMERS; count++) await plain.consume(wanted)
  for (let number = 0; number < PACKETS; number++) producer.send(packet(number))
  await all.promise
  return numbers
}

function packet(number: number): Buffer {
  const bytes = Buffer.alloc(200)
  bytes.writeUInt16BE(0x8000 | codec.payloadType!, 0)
  bytes.writeUInt16BE(number, 2)
  bytes.writeUInt32BE(number * 960, 4)
  bytes.writeUInt32BE(SSRC, 8)
  bytes.writeUInt32BE(number, bytes.length - 4)
  return bytes
}
