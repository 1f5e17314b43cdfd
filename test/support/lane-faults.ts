import { nalTypes, type Step, steps, TICKS_PER_MS } from './rtp-timeline.ts'
import type { ReceivedPacket } from './werift-viewer.ts'

/** Past this, receivers take a jump of numbers for a new stream (RFC 3550 appendix A.1, MAX_DROPOUT). */
const MAX_DROPOUT = 3000
const [SPS, IDR] = [7, 5]

export interface LaneBounds {
  /** How far the RTP clock may run from the clock of arrival, ms. Starved machines deliver late. Default 1000. */
  readonly clockMs?: number
  /** Holes in the numbers that are allowed, where the sender of the lane died. Default 0. */
  readonly holes?: number
}

/**
 * What a receiver would take for another stream, or for loss, packet by packet: the SSRC, the numbers, the timestamps,
 * the ends of pictures, and an IDR behind each hole. Each fault is a line; none is right.
 * @param packets of one consumer in order of arrival, over a way without loss
 */
export function laneFaults(
  packets: readonly ReceivedPacket[],
  kind: 'audio' | 'video',
  { clockMs = 1000, holes = 0 }: LaneBounds = {},
): string[] {
  const faults: string[] = []
  const all = steps(packets, TICKS_PER_MS[kind])
  let drift = 0
  let found = 0
  for (const step of all) {
    const told = (what: string) => faults.push(`packet ${step.index} (${step.after.sequence}): ${what}`)
    if (step.after.ssrc !== step.before.ssrc) told(`SSRC ${step.before.ssrc} -> ${step.after.ssrc}`)
    if (step.sequence < 1 || step.sequence > MAX_DROPOUT) {
      told(`number steps by ${step.sequence}`)
      continue
    }
    const hole = step.sequence > 1
    if (hole && ++found > holes) told(`a hole of ${step.sequence - 1}`)
    if (hole && kind === 'video' && !beginsWithIdr(packets, step.index)) told('no IDR behind the hole')
    const begins = kind === 'video' && step.before.marker && beginsWithIdr(packets, step.index)
    for (const what of kind === 'video' ? pictureFaults(step, hole, begins) : soundFaults(step)) told(what)
    drift += step.mediaMs - step.arrivalMs
    if (Math.abs(drift) > clockMs) {
      told(`the RTP clock is ${Math.round(drift)} ms off`)
      drift = 0
    }
  }
  return faults
}

/** @param begins the packet begins an IDR: mediasoup changes to another layer, maybe with the same picture again */
function pictureFaults({ before, after, mediaMs }: Step, hole: boolean, begins: boolean): string[] {
  if (mediaMs < 0) return [`timestamp steps back by ${-mediaMs} ms`]
  if (hole) return []
  if (mediaMs === 0 && before.marker && !begins) return [`two pictures of one timestamp ${after.timestamp}`]
  return mediaMs > 0 && !before.marker ? ['a picture without an end'] : []
}

function soundFaults({ mediaMs }: Step): string[] {
  return mediaMs > 0 ? [] : [`timestamp steps by ${mediaMs} ms`]
}

/** Whether an access unit with an IDR begins at this packet. */
function beginsWithIdr(packets: readonly ReceivedPacket[], index: number): boolean {
  const { timestamp } = packets[index]!
  const types = packets
    .slice(index, index + 200)
    .filter((packet) => packet.timestamp === timestamp)
    .flatMap(({ payload }) => nalTypes(payload))
  // What has not arrived yet can't be judged.
  const complete = packets.slice(index).some((packet) => packet.timestamp === timestamp && packet.marker)
  return (types[0] === SPS || types[0] === IDR) && (!complete || types.includes(IDR))
}
