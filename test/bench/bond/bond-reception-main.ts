import { loadBatchedRist } from '../../../sfu/ingress/batched-rist.ts'
import { IngestPipeline } from '../../../sfu/ingress/pipeline.ts'
import { RistReceiver } from '../../../sfu/ingress/rist-receiver.ts'
import { RIST_SECRETS } from '../../support/rist-bench.ts'
import type { ReceptionOrder, ReceptionSaid } from './bond-reception.ts'

/**
 * A receiver like an ingress process, in a process of its own: librist 0.2.7 dies where a stream that stood still for
 * longer than its buffer goes on with a hole.
 */

const TELL_EVERY_MS = 200
const TICK_MS = 100
/** RTP: a picture's last packet has the marker bit (RFC 6184 section 5.1). */
const MARKER = 0x80
const VIDEO_SSRC = 1001

const say = (said: ReceptionSaid): void => void process.send?.(said)
let bytes = 0

async function listen({ ports, bufferMs }: ReceptionOrder): Promise<void> {
  loadBatchedRist()
  const pipeline: IngestPipeline = new IngestPipeline({
    aac: null,
    now: () => performance.timeOrigin + performance.now(),
    sink: {
      rtp: (packet) => {
        const isReport = packet[1]! >= 200 && packet[1]! <= 207
        if (!isReport && (packet[1]! & MARKER) !== 0 && packet.readUInt32BE(8) === VIDEO_SSRC)
          say({ type: 'picture' })
      },
      program: ({ video, audio }) =>
        pipeline.attach({
          video: video.map((_, rendition) => ({
            ssrc: VIDEO_SSRC + rendition,
            payload_type: 102,
            sequence: 1,
          })),
          audio: audio && { ssrc: 2001, payload_type: 111, sequence: 1 },
          extension_ids: { playout_delay: 6, abs_capture_time: 13 },
          playout_delay_ms: { min: 0, max: 0 },
          clock: { epochMs: performance.timeOrigin + performance.now(), offset90k: 1, last90k: 0 },
          cname: 'bond',
        }),
      refused: () => {},
      recovered: () => {},
      capture: () => {},
      issue: () => {},
      keyframeRequest: () => say({ type: 'keyframe' }),
    },
  })
  const receiver = await RistReceiver.open({
    address: '127.0.0.1',
    links: ports.map((port) => ({ port })),
    ...RIST_SECRETS,
    buffer: { minMs: bufferMs, maxMs: bufferMs },
    onData: (chunk) => {
      bytes += chunk.length
      pipeline.push(chunk)
    },
    onStats: ({ received, lost }) => say({ type: 'packets', received, lost }),
  })
  setInterval(() => pipeline.tick(), TICK_MS)
  setInterval(() => {
    say({ type: 'arrived', packets: [...receiver.arrived], bytes })
    bytes = 0
  }, TELL_EVERY_MS)
}

process.once('message', (order) => void listen(order as ReceptionOrder))
process.once('disconnect', () => process.exit())
