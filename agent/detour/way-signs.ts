import type { RistLogLine } from '../../common/rist/log-channel.ts'
import type { Via } from '../../common/wire/flow-contract.ts'
import type { SenderLinkStats } from '../bonded-sender.ts'

/** librist numbers peers from 1 in the order of their creation. It says these lines sooner than its statistics come. */
const NAMED = /^Peer (\d+) receiver name is now/
const TIMED_OUT = /^Listening peer (\d+) timed out/
/** Statistics in a row without an answer, after which a link does not answer, should librist not say so. */
const SILENT_STATS = 2

/**
 * Reads from librist whether the hub answers over UDP, for a sender whose first peers are its links and whose further
 * peers are the links' detours, in the same order. Joins the statistics of both.
 */
export class WaySigns {
  readonly #links: number
  readonly #udpAnswers: (link: number, answers: boolean) => void
  readonly #last: (SenderLinkStats | undefined)[] = []
  readonly #silent: number[] = []

  constructor(links: number, udpAnswers: (link: number, answers: boolean) => void) {
    this.#links = links
    this.#udpAnswers = udpAnswers
  }

  line({ message }: RistLogLine): void {
    const named = NAMED.exec(message)
    if (named) this.#tell(Number(named[1]), true)
    const timedOut = TIMED_OUT.exec(message)
    if (timedOut) this.#tell(Number(timedOut[1]), false)
  }

  #tell(peer: number, answers: boolean): void {
    if (peer >= 1 && peer <= this.#links) this.#udpAnswers(peer - 1, answers)
  }

  /**
   * Takes the statistics of one peer.
   * @param via the way of the link now
   * @returns the link's statistics, with the last peer of each second
   */
  stats(stats: SenderLinkStats, via: Via): SenderLinkStats | null {
    this.#last[stats.link] = stats
    if (stats.link < this.#links) {
      this.#silent[stats.link] = stats.alive ? 0 : (this.#silent[stats.link] ?? 0) + 1
      if (stats.alive) this.#udpAnswers(stats.link, true)
      else if (this.#silent[stats.link] === SILENT_STATS) this.#udpAnswers(stats.link, false)
      return null
    }
    const link = stats.link - this.#links
    const udp = this.#last[link]
    if (!udp) return null
    const carries = via === 'udp' ? udp : stats
    return {
      link,
      alive: udp.alive || (via !== 'udp' && stats.alive),
      rttMs: carries.rttMs,
      sent: udp.sent + stats.sent,
      retransmitted: udp.retransmitted + stats.retransmitted,
      bitrateKbps: via === 'udp' ? udp.bitrateKbps : udp.bitrateKbps + stats.bitrateKbps,
    }
  }
}
