/** RTP clock of video. */
const TICKS_PER_MS = 90

/** How far the time between packets is from what their timestamps say (RFC 3550 section 6.4.1), of one stream. */
export class ArrivalJitter {
  readonly #deviationsMs: number[]
  #last: { sequence: number; timestamp: number; arrivedMs: number } | null = null

  /** @param deviationsMs where deviations are added */
  constructor(deviationsMs: number[]) {
    this.#deviationsMs = deviationsMs
  }

  arrived(packet: Buffer, arrivedMs: number): void {
    const [sequence, timestamp] = [packet.readUInt16BE(2), packet.readUInt32BE(4)]
    const last = this.#last
    this.#last = { sequence, timestamp, arrivedMs }
    if (last === null || ((sequence - last.sequence) & 0xffff) !== 1) return
    const mediaMs = ((timestamp - last.timestamp) | 0) / TICKS_PER_MS
    this.#deviationsMs.push(Math.abs(arrivedMs - last.arrivedMs - mediaMs))
  }
}
