import type { ReceivedPacket } from './werift-viewer.ts'

/** RTP clock rates, ticks per ms. */
export const TICKS_PER_MS = { video: 90, audio: 48 } as const

/** From one packet to the next, in order of arrival. */
export interface Step {
  readonly before: ReceivedPacket
  readonly after: ReceivedPacket
  /** Index of `after`. */
  readonly index: number
  /** Signed distance of sequence numbers modulo 2^16 (RFC 3550 section 5.1): 1 is no gap, below 1 is disorder. */
  readonly sequence: number
  /** Of RTP timestamps, signed modulo 2^32, ms. */
  readonly mediaMs: number
  /** Of arrival, ms. */
  readonly arrivalMs: number
}

export function steps(packets: readonly ReceivedPacket[], ticksPerMs: number): Step[] {
  return packets.slice(1).map((after, index) => {
    const before = packets[index]!
    return {
      before,
      after,
      index: index + 1,
      sequence: ((after.sequence - before.sequence) << 16) >> 16,
      mediaMs: ((after.timestamp - before.timestamp) | 0) / ticksPerMs,
      arrivalMs: after.at - before.at,
    }
  })
}

/** The step over the longest silence. */
export function longestSilence(packets: readonly ReceivedPacket[], ticksPerMs: number): Step {
  const all = steps(packets, ticksPerMs)
  if (all.length === 0) throw new Error('no two packets')
  return all.reduce((longest, step) => (step.arrivalMs > longest.arrivalMs ? step : longest))
}

/**
 * By how much packets were held up on their way, ms: the most that a packet came later after its RTP timestamp
 * than the promptest one did. A sender that pauses does not count, a hub that stalls does.
 */
export function heldUpMs(packets: readonly ReceivedPacket[], ticksPerMs: number): number {
  let delay = 0
  let least = 0
  let most = 0
  for (const { mediaMs, arrivalMs } of steps(packets, ticksPerMs)) {
    delay += arrivalMs - mediaMs
    least = Math.min(least, delay)
    most = Math.max(most, delay - least)
  }
  return most
}

/** NAL unit types that an RTP payload of H.264 holds or begins (RFC 6184 section 5.2); none for a later fragment. */
export function nalTypes(payload: Buffer): number[] {
  const type = payload[0]! & 0x1f
  if (type === 28) return (payload[1]! & 0x80) === 0 ? [] : [payload[1]! & 0x1f]
  if (type !== 24) return [type]
  const types: number[] = []
  for (let at = 1; at + 2 < payload.length; at += 2 + payload.readUInt16BE(at))
    types.push(payload[at + 2]! & 0x1f)
  return types
}

/** NAL unit types of the access unit that begins at `index`: all packets of its timestamp. */
export function accessUnitTypes(packets: readonly ReceivedPacket[], index: number): number[] {
  const { timestamp } = packets[index]!
  return packets
    .slice(index, index + 200)
    .filter((packet) => packet.timestamp === timestamp)
    .flatMap((packet) => nalTypes(packet.payload))
}
