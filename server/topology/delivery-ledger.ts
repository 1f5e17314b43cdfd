import type { LinkObservation } from '../../policy/evidence.ts'

/** What the receiving end of a link saw in its last interval. */
export interface Arrival {
  /** Unix milliseconds. */
  readonly at: number
  readonly rttMs: number
  readonly bitrateKbps: number
  readonly packets: number
}

/** Counts of the two ends belong together when at most this far apart, ms. */
const TOGETHER_MS = 3000
/** This many intervals in a row without a packet are no accident of when each end began to count. */
const EMPTY_IN_A_ROW = 2

interface Counts {
  /** The sender's newest report. */
  report: LinkObservation | null
  arrivedAt: number
  arrived: number
  empty: number
}

/**
 * Brings the two ends of a link together: the sender knows what it gave to the link, and the receiver knows what
 * arrived. Only both together tell a dead link from an idle link.
 */
export class DeliveryLedger<Link extends object> {
  readonly #counts = new WeakMap<Link, Counts>()

  /** Takes the sender's report, and adds the arrived packets where the sender does not know them. */
  sent(link: Link, report: LinkObservation): LinkObservation {
    const counts = this.#of(link)
    counts.report = report
    if (report.sentPackets === null || report.deliveredPackets !== null) return report
    if (Math.abs(report.at - counts.arrivedAt) > TOGETHER_MS) return report
    // A receiver that began to count after the sender knows nothing yet.
    if (counts.arrived === 0 && counts.empty < EMPTY_IN_A_ROW) return report
    return { ...report, deliveredPackets: counts.arrived }
  }

  /** The receiver's count as a report about the link, completed from the sender's newest report. */
  arrived(link: Link, arrival: Arrival): LinkObservation {
    const counts = this.#of(link)
    counts.arrivedAt = arrival.at
    counts.arrived = arrival.packets
    counts.empty = arrival.packets === 0 ? counts.empty + 1 : 0
    const { report } = counts
    const known = report !== null && arrival.at - report.at <= TOGETHER_MS ? report : null
    const accident = arrival.packets === 0 && counts.empty < EMPTY_IN_A_ROW
    return {
      at: arrival.at,
      rttMs: arrival.rttMs,
      jitterMs: known?.jitterMs ?? 0,
      loss: known?.loss ?? 0,
      bitrateKbps: arrival.bitrateKbps,
      queueDepth: known?.queueDepth ?? 0,
      sentPackets: accident ? null : (known?.sentPackets ?? null),
      deliveredPackets: arrival.packets,
    }
  }

  #of(link: Link): Counts {
    let counts = this.#counts.get(link)
    if (!counts) {
      counts = { report: null, arrivedAt: Number.NEGATIVE_INFINITY, arrived: 0, empty: 0 }
      this.#counts.set(link, counts)
    }
    return counts
  }
}

/** Bytes of a full RIST packet, to convert a bitrate to packets where nobody counted packets. */
const PACKET_BYTES = 1316

/** What an ingress process saw of one link in the last second. */
export function arrivalOf(
  link: { readonly alive: boolean; readonly rtt_ms: number; readonly bitrate_kbps: number },
  at: number,
): Arrival {
  const packets = Math.max(1, Math.round((link.bitrate_kbps * 125) / PACKET_BYTES))
  return { at, rttMs: link.rtt_ms, bitrateKbps: link.bitrate_kbps, packets: link.alive ? packets : 0 }
}
