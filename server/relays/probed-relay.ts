import { SYSTEM_CLOCK } from '../../common/clock.ts'
import { messageOf } from '../../common/errors.ts'
import { readTurnUrl, type TurnUrl } from '../../common/net/turn-url.ts'
import { nodeEntrySchema } from '../../common/wire/topology.ts'
import type { RelayFacts } from '../../policy/relays.ts'
import type { Topology } from '../topology/graph.ts'
import type { Relay } from './relay-book.ts'
import { probeStun } from './stun-probe.ts'

/** How often a relay is asked for a sign of life, and how long it may take to answer, ms. */
const PROBE_EVERY_MS = 2500
const ANSWER_WITHIN_MS = 2000
/** Probes that count for delay and loss. */
const PROBES_KEPT = 10

export interface ProbedRelayOptions {
  readonly nodeId: string
  /** In the order to try; the first is probed. */
  readonly urls: readonly string[]
  readonly secret: string
  readonly region: string | null
  readonly topology: Topology
  /** ms; for tests */
  readonly everyMs?: number
}

/**
 * A TURN server that the hub does not run: coturn beside it, or a relay elsewhere. It is a node of the directory with the
 * role `relay`, shared by all tenants. Answers to the hub's STUN requests are its signs of life; without one for 10 s the
 * node is down (`Topology`), and contracts list it no more.
 */
export class ProbedRelay implements Relay, Disposable {
  readonly nodeId: string
  readonly urls: readonly string[]
  readonly secret: string
  readonly #region: string | null
  readonly #topology: Topology
  readonly #server: TurnUrl
  readonly #closing = new AbortController()
  readonly #timer: NodeJS.Timeout
  /** Newest last; null for a probe without an answer. */
  readonly #probes: (number | null)[] = []
  #trouble = 'it has not answered yet'
  #answeredAt: number | null = null

  constructor({ nodeId, urls, secret, region, topology, everyMs = PROBE_EVERY_MS }: ProbedRelayOptions) {
    this.nodeId = nodeId
    this.urls = urls
    this.secret = secret
    this.#region = region
    this.#topology = topology
    this.#server = readTurnUrl(urls[0]!)
    this.#declare()
    this.#timer = setInterval(() => void this.#probe(), everyMs).unref()
    void this.#probe()
  }

  get facts(): RelayFacts {
    const record = this.#topology.record(null, this.nodeId)
    const answered = this.#probes.filter((rtt) => rtt !== null)
    const { max_flows: most = null, draining = false } = record?.entry ?? {}
    return {
      nodeId: this.nodeId,
      tenantId: null,
      region: record?.entry.region ?? this.#region,
      down: draining ? 'an operator drains it' : record?.up === true ? null : this.#silence(),
      load: most === null || !record ? null : record.load.flows / Math.max(1, most),
      rttMs: answered.length === 0 ? null : median(answered),
      loss: this.#probes.length === 0 ? 0 : 1 - answered.length / this.#probes.length,
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#closing.abort(new Error('the hub stops'))
  }

  /** A node of this name that was enrolled, or that an operator made, keeps its entry. */
  #declare(): void {
    if (this.#topology.record(null, this.nodeId)) return
    const entry = nodeEntrySchema.parse({
      role: 'relay',
      region: this.#region,
      addresses: [this.#server.host],
      created_at: 0,
    })
    this.#topology.upsert(null, this.nodeId, entry, SYSTEM_CLOCK.steady())
  }

  async #probe(): Promise<void> {
    const within = AbortSignal.timeout(ANSWER_WITHIN_MS)
    try {
      const rtt = await probeStun(this.#server, AbortSignal.any([within, this.#closing.signal]))
      if (this.#closing.signal.aborted) return
      this.#note(rtt)
      this.#answeredAt = performance.now()
      this.#declare()
      this.#topology.seen(null, this.nodeId, SYSTEM_CLOCK.steady())
    } catch (error) {
      this.#trouble = within.aborted ? 'it does not answer' : messageOf(error)
      this.#note(null)
    }
  }

  #note(rtt: number | null): void {
    this.#probes.push(rtt)
    if (this.#probes.length > PROBES_KEPT) this.#probes.shift()
  }

  #silence(): string {
    if (this.#answeredAt === null) return `no sign of life: ${this.#trouble}`
    return `no sign of life for ${Math.round((performance.now() - this.#answeredAt) / 1000)} s: ${this.#trouble}`
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}
