/** One link, over the last second. */
export interface SenderLinkStats {
  /** Index into the sender's links. */
  readonly link: number
  /** Whether the receiver answered in the last second. */
  readonly alive: boolean
  /** Round trip in ms; librist 0.2.7 wraps it at 1000. */
  readonly rttMs: number
  /** Packets sent for the first time. */
  readonly sent: number
  readonly retransmitted: number
  readonly bitrateKbps: number
}

/** What librist tells of a peer since it told last. */
export interface PeerStats {
  readonly sent: number
  /** Messages of the receiver. */
  readonly received: number
  readonly retransmitted: number
  /** b/s */
  readonly bandwidth: number
  /** ms */
  readonly rtt: number
}

/** What was counted since the sender began. */
export interface PeerFacts {
  /** Datagrams sent: media, repairs and reports. */
  readonly sent: number
  /** Messages of the receiver. */
  readonly heard: number
  /** The last round trip, ms; null before the first message of the receiver. */
  readonly rttMs: number | null
  /** When the receiver was heard last, ms of the steady clock. */
  readonly heardAtMs: number
}

const SECOND_MS = 1000
/** librist's interval is not exact, ms. */
const SLACK_MS = 50

/** Adds up librist's statistics of one link: from the beginning, and for each second. Callers give the time. */
export class LinkMeter {
  readonly #link: number
  #facts: PeerFacts = { sent: 0, heard: 0, rttMs: null, heardAtMs: 0 }
  #sent = 0
  #retransmitted = 0
  #received = 0
  #sinceMs: number

  constructor(link: number, nowMs: number) {
    this.#link = link
    this.#sinceMs = nowMs
  }

  get facts(): PeerFacts {
    return this.#facts
  }

  /** @returns the last second, when one is full */
  take({ sent, received, retransmitted, bandwidth, rtt }: PeerStats, nowMs: number): SenderLinkStats | null {
    const heard = received > 0
    this.#facts = {
      sent: this.#facts.sent + sent,
      heard: this.#facts.heard + received,
      rttMs: heard ? rtt : this.#facts.rttMs,
      heardAtMs: heard ? nowMs : this.#facts.heardAtMs,
    }
    this.#sent += sent
    this.#retransmitted += retransmitted
    this.#received += received
    if (nowMs - this.#sinceMs < SECOND_MS - SLACK_MS) return null
    const second: SenderLinkStats = {
      link: this.#link,
      alive: this.#received > 0,
      rttMs: rtt,
      sent: this.#sent,
      retransmitted: this.#retransmitted,
      bitrateKbps: Math.round(bandwidth / 1000),
    }
    this.#sent = 0
    this.#retransmitted = 0
    this.#received = 0
    this.#sinceMs = nowMs
    return second
  }
}
