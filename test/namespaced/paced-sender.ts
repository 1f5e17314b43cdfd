import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import test from 'ava'
import { SenderProcess } from '../../agent/sender/sender-process.ts'
import { createLogger } from '../../common/logger.ts'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import { burstsOf, type Captured, capture } from '../support/capture.ts'
import { detourContract } from '../support/detour-bench.ts'
import { countOf, listen, missing } from '../support/rist-bench.ts'
import { until } from '../support/until.ts'

/** What a sender puts on the wire against what its contract grants. test/agent/sender/pacing.test.ts runs this. */

const PACKET = 7 * 188
/** A keyframe of 130 kB a second among pictures of 13 kB: 4.1 Mb/s. */
const KEYFRAME_PACKETS = 100
const PICTURE_PACKETS = 10
const PICTURE_MS = 33
/** Each has pictures in it. */
const STRETCH_MS = 100
/** Threads of a busy machine wake late now and then, and send at once what was due meanwhile: share of stretches. */
const MAY_BE_LATE = 0.05
/** On the wire a packet of media is larger than this, bytes, and no other is. */
const MEDIA_BYTES = 1000

test.before(() => promisify(execFile)('ip', ['link', 'set', 'lo', 'up']))

/**
 * Writes pictures for so many seconds, each in one write, with the packets numbered from `written` on.
 * @returns the number of the next packet
 */
async function sendPictures(sender: SenderProcess, seconds: number, written = 0): Promise<number> {
  const startedAt = performance.now()
  for (let picture = 0; picture * PICTURE_MS < seconds * 1000; picture += 1) {
    const packets = picture % 30 === 0 ? KEYFRAME_PACKETS : PICTURE_PACKETS
    const ts = Buffer.alloc(packets * PACKET, 0xff)
    for (let offset = 0; offset < ts.length; offset += 188) ts[offset] = 0x47
    for (let packet = 0; packet < packets; packet += 1) {
      ts.writeUInt32BE(written, packet * PACKET + 8)
      written += 1
    }
    sender.write(ts)
    await delay(Math.max(0, startedAt + (picture + 1) * PICTURE_MS - performance.now()))
  }
  return written
}

/**
 * The longest burst of a path, as ms of its limit, and in how many of all stretches one is longer than granted. A packet
 * that is under way when a burst ends counts with it.
 */
function against(
  path: readonly Captured[],
  { max_kbps, burst_ms }: Omit<FlowContract['pacing'], 'target_kbps'>,
) {
  const bursts = burstsOf(path, max_kbps, STRETCH_MS)
  const packet = Math.max(...path.map(({ bytes }) => bytes))
  const granted = (max_kbps / 8) * burst_ms + packet
  return {
    most: (Math.max(...bursts) * 8) / max_kbps,
    over: bursts.filter((burst) => burst > granted).length,
    of: bursts.length,
  }
}

async function record(pacing: FlowContract['pacing'], more: Partial<FlowContract> = {}) {
  await using receiver = await listen(2, { buffer: { minMs: 300, maxMs: 300 } })
  await using wire = await capture('lo', `dst portrange ${receiver.ports[0]}-${receiver.ports[1]}`)
  let answering = 0
  await using sender = new SenderProcess({
    hubUrl: 'http://127.0.0.1:9',
    nullPacketDeletion: false,
    logger: createLogger('silent'),
    events: {
      authenticated: () => {
        answering += 1
      },
      stats: () => {},
    },
  })
  await sender.apply(detourContract(receiver.ports, { detours: [], pacing, ...more }))
  await until(() => answering === 2, 'both links answer')
  const first = await sendPictures(sender, 0.5)
  await delay(1000)
  const from = wire.packets.length
  const written = await sendPictures(sender, 6, first)
  await until(
    () => receiver.chunks.some((chunk) => countOf(chunk) === written - 1),
    'the last packet arrives',
  )
  const dropped = await wire.end()
  if (dropped !== 0) throw new Error(`the capture lacks ${dropped} packets`)
  const media = wire.packets.slice(from).filter(({ bytes }) => bytes > MEDIA_BYTES)
  return {
    written,
    lost: missing(receiver.chunks),
    late: sender.dropped,
    paths: receiver.ports.map((port) => media.filter((packet) => packet.port === port)),
  }
}

for (const { name, streamClass, max_kbps, burst_ms } of [
  { name: 'copies on both links', streamClass: 'focus', max_kbps: 10_000, burst_ms: 5 },
  { name: 'a share on each link', streamClass: 'record', max_kbps: 5000, burst_ms: 40 },
] as const)
  test.serial(`no path has a longer burst than granted: ${name}`, async (t) => {
    const { lost, late, paths } = await record(
      { target_kbps: 4000, max_kbps, burst_ms },
      { class: streamClass },
    )
    for (const [index, path] of paths.entries()) {
      const { most, over, of } = against(path, { max_kbps, burst_ms })
      t.log(
        `path ${index}: ${path.length} packets, ${most.toFixed(1)} ms at once, ${over} of ${of} stretches over`,
      )
      t.true(path.length > 1000)
      t.true(over <= of * MAY_BE_LATE)
    }
    t.is(lost, 0)
    t.is(late, 0)
  })

test.serial('the burst of a contract that grants more is seen, so the measurement sees bursts', async (t) => {
  const { paths } = await record({ target_kbps: 4000, max_kbps: 200_000, burst_ms: 100 }, { class: 'focus' })
  for (const path of paths) {
    const { most, over, of } = against(path, { max_kbps: 10_000, burst_ms: 5 })
    t.log(`${most.toFixed(1)} ms at once, ${over} of ${of} stretches over`)
    t.true(most > 80)
    t.true(over > of * 0.9)
  }
})
