import type { types } from 'mediasoup'

/** How often in the time that silence may take the transport is looked at. */
const LOOKS = 5

/**
 * Looks whether anything arrives on a transport: media, RTCP or checks. mediasoup has no event for it. It begins with the
 * first packet, and ends with its disposal.
 */
export class ArrivalLife implements Disposable {
  readonly #timer: NodeJS.Timeout
  #bytes = 0
  #silentLooks = 0
  #looking = false

  /** @param tell called with false when nothing has come for this long, ms, and with true when something does again */
  constructor(
    transport: Pick<types.WebRtcTransport, 'getStats'>,
    withinMs: number,
    tell: (alive: boolean) => void,
  ) {
    const look = async () => {
      if (this.#looking) return
      this.#looking = true
      // A transport or worker that is gone tells of itself.
      const [statistics] = await transport.getStats().catch(() => [])
      this.#looking = false
      if (statistics) this.#judge(statistics.bytesReceived, tell)
    }
    this.#timer = setInterval(() => void look(), withinMs / LOOKS).unref()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #judge(bytes: number, tell: (alive: boolean) => void): void {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      if (this.#silentLooks >= LOOKS) tell(true)
      this.#silentLooks = 0
    } else if (bytes > 0) {
      this.#silentLooks += 1
      if (this.#silentLooks === LOOKS) tell(false)
    }
  }
}
