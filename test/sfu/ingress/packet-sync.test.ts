import test from 'ava'
import { looksLikeTransportStream, PacketSync } from '../../../common/mpegts/packet-sync.ts'
import { SeededRandom } from '../../fuzz/seeded-random.ts'
import { chunksOf, generateTs } from '../../support/media-generator.ts'
import { PipelineHarness } from './pipeline-harness.ts'

/** Transport streams in datagrams that are not seven packets of 188 bytes. */

const random = new SeededRandom('packet sync')

/** Numbered packets with random content: sync bytes are in it, too. */
function packets(count: number): Buffer[] {
  return Array.from({ length: count }, (_, number) => {
    const packet = random.bytes(188)
    packet[0] = 0x47
    packet.writeUInt32BE(number, 1)
    return packet
  })
}

/** What ffmpeg and others put around a packet: Reed-Solomon code behind, or the time of M2TS in front. */
const wrapped = {
  188: (packet: Buffer) => packet,
  192: (packet: Buffer) => Buffer.concat([random.bytes(4), packet]),
  204: (packet: Buffer) => Buffer.concat([packet, random.bytes(16)]),
} as const
const SIZES = [188, 192, 204] as const

function read(chunks: Iterable<Uint8Array>): { numbers: number[]; losses: number } {
  const numbers: number[] = []
  let losses = 0
  const sync = new PacketSync({
    packet: (buffer, offset) => numbers.push(buffer.readUInt32BE(offset + 1)),
    syncLost: () => {
      losses += 1
    },
  })
  for (const chunk of chunks) sync.push(chunk)
  return { numbers, losses }
}

for (const size of SIZES) {
  test(`packets of ${size} bytes are read out of datagrams of any size, and each with the datagram that ends it`, (t) => {
    const count = 500
    const stream = Buffer.concat(packets(count).map(wrapped[size]))
    for (const bytes of [size, 7 * size, 1316, 1472, 333, 5000]) {
      const { numbers, losses } = read(chunksOf(stream, bytes))
      t.deepEqual(
        numbers,
        Array.from({ length: count }, (_, number) => number),
        `${bytes}`,
      )
      t.is(losses, 0)
    }
  })

  test(`packets of ${size} bytes: a lost datagram of 1472 bytes costs its own packets and those it cut`, (t) => {
    const stream = Buffer.concat(packets(500).map(wrapped[size]))
    const chunks = [...chunksOf(stream, 1472)]
    const { numbers, losses } = read(chunks.toSpliced(20, 1))
    t.is(losses, 1)
    t.true(numbers.length >= 500 - 12, `${500 - numbers.length} packets`)
    t.is(numbers.at(-1), 499)
    t.true(
      numbers.every((number, index) => index === 0 || number > numbers[index - 1]!),
      'none is made up',
    )
  })

  test(`payloads of packets of ${size} bytes are recognised, others are not`, (t) => {
    const stream = Buffer.concat(packets(50).map(wrapped[size]))
    for (let from = 0; from < 300; from++)
      t.true(looksLikeTransportStream(stream.subarray(from, from + 1472)), `${from}`)
    for (let round = 0; round < 2000; round++) {
      const noise = random.bytes(1 + random.below(1500))
      if (noise[0] === 0x47) noise[0] = 0
      if (looksLikeTransportStream(noise)) t.fail(`${noise.length} random bytes`)
    }
  })
}

test('a stream in datagrams of 1472 bytes plays, also through loss', async (t) => {
  const ts = await generateTs('high')
  const harness = new PipelineHarness()
  harness.play(ts, 4, 1472)
  t.deepEqual([...harness.issues], [])
  t.is(new Set(harness.video().map(({ timestamp }) => timestamp)).size, 120)
  const lossy = new PipelineHarness()
  const chunks = [...chunksOf(ts, 1472)].filter((_, index) => index % 50 !== 49)
  lossy.play(Buffer.concat(chunks), 4, 1472)
  t.true(new Set(lossy.video().map(({ timestamp }) => timestamp)).size > 80)
  t.deepEqual(lossy.refusals, [])
})
