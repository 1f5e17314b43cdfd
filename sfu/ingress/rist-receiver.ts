import koffi from 'koffi'
import {
  callAsync,
  connectCallbackType,
  createPeer,
  enableSrp,
  loadRist,
  RIST_PROFILE_MAIN,
  type RistPointer,
  STATS_JSON_OFFSET,
  statsCallbackType,
} from '../../common/rist/librist.ts'
import { RistLogChannel, type RistLogLine } from '../../common/rist/log-channel.ts'
import { ArrivalCounts } from './arrival-counts.ts'
import { RepeatFilter } from './repeat-filter.ts'
import { RistBlockReader } from './rist-block-reader.ts'
import { FlowCandidate } from './rist-candidate.ts'
import { FlowGate, StallFreeClock } from './rist-flow-gate.ts'
import { assertPortFree, guardPort } from './rist-packet-filter.ts'
import { RistPeers } from './rist-peers.ts'
import { type Rejection, RejectionLog, rejectionOf } from './rist-rejections.ts'
import { type FlowStats, parseReceiverStats } from './rist-stats.ts'

export interface RistReceiverOptions {
  /** Local IP address to listen on. */
  readonly address: string
  /** One UDP port per link. */
  readonly links: readonly { readonly port: number }[]
  /** PSK, 1 to 127 bytes. */
  readonly passphrase: string
  /** The shortest key that a sender may use. */
  readonly aesBits: 128 | 256
  /** SRP credentials, 1 to 255 bytes each. */
  readonly username: string
  readonly password: string
  /**
   * `srp`, the default, demands passphrase and credentials. `passphrase` leaves SRP out, for senders without it
   * (ffmpeg's `rist://`): nothing unencrypted gets in, but anybody with the passphrase is accepted.
   */
  readonly authentication?: 'srp' | 'passphrase'
  /** librist's recovery buffer, in ms. */
  readonly buffer: { readonly minMs: number; readonly maxMs: number }
  /** Payload of one RIST packet, in order. The chunk is valid only during the call. */
  readonly onData: (chunk: Buffer) => void
  /** Runs what hands out the chunks that came together; by default it just runs. */
  readonly together?: (work: () => void) => void
  readonly onFlow?: (event: FlowEvent) => void
  /** Called each second while a flow exists. */
  readonly onStats?: (stats: FlowStats) => void
  /** Limited in rate: each reason at most every 5 s. */
  readonly onRejected?: (rejection: Rejection) => void
  /** librist's own lines, free of secrets. */
  readonly onLog?: (line: RistLogLine) => void
}

/**
 * - `connected`: the first data of a stream
 * - `lost`: every link has been silent for a second, or for longer than this sender's own pauses
 * - `returned`: the same sender is back
 * - `replaced`: another (restarted) sender is the stream now; its timestamps and counters start again
 */
export interface FlowEvent {
  readonly type: 'connected' | 'lost' | 'returned' | 'replaced'
  readonly flowId: number
}

/** Most packets that librist holds for us: 2 s of a 40 Mb/s stream. A power of two. */
const FIFO_PACKETS = 8192
/**
 * How long a link may be silent before librist drops it, ms. librist's default of 250 is too short on a busy machine.
 */
const SESSION_TIMEOUT_MS = 2000
const STATS_INTERVAL_MS = 1000
/**
 * A missing packet may come over a slower link. librist asks for it again after half a round trip, and not before this
 * time, ms: it takes a tenth of the recovery buffer. Repairs that nobody needs load the links that still have room.
 */
const LEAST_REORDER_MS = 15
const REORDER_SHARE = 0.1
const TICK_MS = 100
const REPEATED_LINE_MS = 1000
/** New peers let in per second, and at most at once: librist keeps each for 2 s, and an SRP handshake takes CPU. */
const NEW_PEERS_PER_S = 20

/**
 * Receives one stream over several links by librist's main profile, with PSK and SRP both mandatory. Links bond by flow
 * id. Everything that does not belong to the stream is refused and reported.
 *
 * A restarted sender is back in about 0.2 s plus the buffer. A sender that comes back from the very same source port
 * needs up to 3 s more, because librist's authenticator takes it for the old peer until it authenticates again.
 */
export class RistReceiver implements AsyncDisposable {
  readonly #options: RistReceiverOptions
  readonly #ports: readonly number[]
  readonly #log: RistLogChannel
  readonly #context: RistPointer
  readonly #reader: RistBlockReader
  readonly #peers = new RistPeers()
  readonly #arrivals: ArrivalCounts
  readonly #gate = new FlowGate()
  readonly #candidate = new FlowCandidate()
  readonly #repeats = new RepeatFilter()
  readonly #clock = new StallFreeClock(performance.now(), TICK_MS)
  readonly #rejections: RejectionLog
  readonly #callbacks: bigint[] = []
  readonly #timer: NodeJS.Timeout
  #peerTokens = NEW_PEERS_PER_S
  #delivered = 0
  #lastLine = ''
  #lastLineAt = 0
  #disposal: Promise<void> | undefined

  /**
   * Listens on every link's port, or on none.
   *
   * @throws CodedError `rist_library_missing`, `rist_port_unavailable`, `rist_filter_failed`, `rist_peer_failed`
   */
  static async open(options: RistReceiverOptions): Promise<RistReceiver> {
    for (const { port } of options.links) await assertPortFree(options.address, port)
    const receiver = new RistReceiver(options)
    try {
      receiver.#listen()
    } catch (thrown) {
      await receiver[Symbol.asyncDispose]()
      throw thrown
    }
    return receiver
  }

  private constructor(options: RistReceiverOptions) {
    const rist = loadRist()
    this.#options = options
    this.#ports = options.links.map((link) => link.port)
    this.#arrivals = new ArrivalCounts(this.#ports)
    this.#rejections = new RejectionLog((rejection) => options.onRejected?.(rejection))
    this.#log = new RistLogChannel([options.passphrase, options.password, options.username], this.#onLine)
    const holder: [RistPointer | null] = [null]
    if (rist.receiverCreate(holder, RIST_PROFILE_MAIN, this.#log.settings) !== 0 || !holder[0]) {
      this.#log[Symbol.dispose]()
      throw new Error('librist cannot create a receiver')
    }
    this.#context = holder[0]
    rist.receiverSetFifo(this.#context, FIFO_PACKETS)
    this.#reader = new RistBlockReader(this.#context, this.#onBlock, options.together ?? ((work) => work()))
    this.#timer = setInterval(this.#onTick, TICK_MS)
  }

  /** Whether the stream's sender is connected, even if it sends nothing. */
  get hasSender(): boolean {
    return this.#peers.someAuthenticated
  }

  /** Datagrams that have arrived on each link since the receiver began. */
  get arrived(): readonly number[] {
    return this.#arrivals.packets
  }

  #listen(): void {
    const rist = loadRist()
    const { address, links, passphrase, aesBits, username, password, buffer } = this.#options
    const host = address.includes(':') ? `[${address}]` : address
    for (const { port } of links) {
      const peer = createPeer(this.#context, `rist://@${host}:${port}`, {
        numbers: {
          recovery_length_min: buffer.minMs,
          recovery_length_max: buffer.maxMs,
          recovery_rtt_min: 10,
          recovery_reorder_buffer: Math.max(LEAST_REORDER_MS, Math.round(buffer.minMs * REORDER_SHARE)),
          session_timeout: SESSION_TIMEOUT_MS,
          key_size: aesBits,
        },
        texts: { secret: passphrase },
      })
      if (this.#options.authentication !== 'passphrase') enableSrp(peer, username, password)
      guardPort(port, aesBits)
    }
    const connect = koffi.register(this.#onConnect, connectCallbackType)
    const stats = koffi.register(this.#onStats, statsCallbackType)
    this.#callbacks.push(connect, stats)
    rist.authHandlerSet(this.#context, connect, null, null)
    rist.statsCallbackSet(this.#context, STATS_INTERVAL_MS, stats, null)
    if (rist.start(this.#context) !== 0) throw new Error('librist cannot start the receiver')
  }

  /** Called on our event loop while librist's thread waits for the answer: 0 lets the peer in. */
  readonly #onConnect = (_arg: unknown, _ip: string, _port: number, _local: string, port: number): number => {
    this.#log.drain()
    this.#peers.placeNewest(port)
    if (this.#peerTokens < 1) {
      this.#rejections.add('too_many_peers', performance.now())
      return -1
    }
    this.#peerTokens--
    return 0
  }

  readonly #onStats = (_arg: unknown, container: RistPointer): number => {
    const text: unknown = koffi.decode(container, STATS_JSON_OFFSET, 'char *')
    // librist's thread holds nothing that freeing needs, but it is released first all the same.
    setImmediate(() => loadRist().statsFree(container))
    const flow = typeof text === 'string' ? parseReceiverStats(text) : undefined
    if (!flow || flow.flowId !== this.#gate.flowId) return 0
    this.#log.drain()
    const links = this.#peers.links(this.#ports, flow)
    this.#arrivals.take(links)
    const delivered = this.#delivered
    this.#delivered = 0
    this.#options.onStats?.({
      flowId: flow.flowId,
      quality: delivered + flow.lost > 0 ? (delivered * 100) / (delivered + flow.lost) : 0,
      received: delivered,
      recovered: flow.recovered,
      lost: flow.lost,
      late: flow.late,
      links,
    })
    return 0
  }

  readonly #onLine = (line: RistLogLine): void => {
    const now = performance.now()
    this.#peers.read(line, now)
    const refused = rejectionOf(line)
    if (refused) {
      this.#rejections.add(refused.reason, now, refused.count)
      if (refused.reason.startsWith('wrong_')) this.#peers.excusePending()
    }
    // librist repeats some lines for every packet. The same line within a second says nothing new.
    if (line.message === this.#lastLine && now - this.#lastLineAt < REPEATED_LINE_MS) return
    this.#lastLine = line.message
    this.#lastLineAt = now
    this.#options.onLog?.(line)
  }

  readonly #onBlock = (flowId: number, sequence: number, payload: Buffer, now: number): void => {
    if (flowId !== this.#gate.flowId && !this.#candidate.admits(flowId, payload)) return
    const verdict = this.#gate.judge(flowId, this.#clock.at(now))
    if (verdict === 'refused') {
      this.#rejections.add('second_sender', now)
      return
    }
    if (verdict !== 'deliver') this.#options.onFlow?.({ type: verdict, flowId })
    if (!this.#repeats.isNew(flowId, sequence, now)) return
    this.#delivered++
    this.#options.onData(payload)
  }

  readonly #onTick = (): void => {
    const now = performance.now()
    this.#clock.tick(now)
    this.#peerTokens = Math.min(NEW_PEERS_PER_S, this.#peerTokens + (NEW_PEERS_PER_S * TICK_MS) / 1000)
    const silent = this.#peers.unauthenticated(now)
    if (silent > 0) this.#rejections.add('no_credentials', now, silent)
    const accidents = this.#candidate.takeAccidents()
    if (accidents > 0) this.#rejections.add('wrong_passphrase', now, accidents)
    this.#rejections.flush(now)
    const flowId = this.#gate.flowId
    if (flowId !== undefined && this.#gate.lostAt(this.#clock.at(now), this.#peers.connected)) {
      this.#options.onFlow?.({ type: 'lost', flowId })
    }
  };

  /** Stops listening. Nothing is called back once this resolves. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#close()
    return this.#disposal
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer)
    this.#reader.stop()
    await callAsync(loadRist().destroy, this.#context)
    this.#reader[Symbol.dispose]()
    this.#log[Symbol.dispose]()
    for (const callback of this.#callbacks) koffi.unregister(callback)
  }
}
