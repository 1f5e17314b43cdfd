import koffi from 'koffi'
import { z } from 'zod'
import { CodedError } from '../common/errors.ts'
import {
  addPeer,
  addSrp,
  callAsync,
  createPeer,
  DATA_BLOCK,
  enableSrp,
  loadRist,
  type PeerConfigFields,
  RIST_PROFILE_MAIN,
  type RistPointer,
  STATS_JSON_OFFSET,
  statsCallbackType,
} from '../common/rist/librist.ts'
import { RistLogChannel, type RistLogLine } from '../common/rist/log-channel.ts'
import { answerIn, LinkRenewals } from './link-answers.ts'

export interface SenderLink {
  /** Host name or IP address of the receiver. Routing on the port binds a link to an uplink. */
  readonly host: string
  readonly port: number
  /** The link's name in the receiver's statistics, at most 127 bytes. */
  readonly cname?: string
  /** Share of the packets in mode `share`, relative to the other links. librist schedules well near 100. */
  readonly weight?: number
  /** A port of this machine. Packets always reach it, so it is never sent to from another port. */
  readonly isLocal?: boolean
}

export interface BondedSenderOptions {
  readonly links: readonly SenderLink[]
  /** `duplicate` sends every packet on every link, `share` spreads them by weight. */
  readonly mode: 'duplicate' | 'share'
  /** How long packets are kept for retransmission, ms: at least as long as the receiver's buffer. */
  readonly bufferMs: number
  /** PSK, 1 to 127 bytes. */
  readonly passphrase: string
  readonly aesBits: 128 | 256
  /** SRP credentials, 1 to 255 bytes each. */
  readonly username: string
  readonly password: string
  /** Leaves out MPEG-TS null packets; the receiver puts them back. */
  readonly nullPacketDeletion?: boolean
  /** Each second, once per link. */
  readonly onStats?: (stats: SenderLinkStats) => void
  /** The receiver begins to answer on a link, or answers no more. */
  readonly onAnswers?: (link: number, answers: boolean) => void
  /** librist's own lines, free of secrets. */
  readonly onLog?: (line: RistLogLine) => void
}

/** One link, over the last second. */
export interface SenderLinkStats {
  /** Index into the options' links. */
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

const TS_PACKET = 188
/** Seven TS packets fill an Ethernet frame with GRE, RTP and UDP around them (VSF TR-06-1 section 5.2). */
export const MAX_PAYLOAD = 7 * TS_PACKET
const STATS_INTERVAL_MS = 1000
const DEFAULT_SHARE_WEIGHT = 100

const count = z.number().nonnegative().catch(0)

/** The JSON of librist's sender statistics, one text per peer. */
const senderStats = z.object({
  'sender-stats': z.object({
    peer: z.object({
      id: z.number(),
      stats: z.object({ sent: count, received: count, retransmitted: count, bandwidth: count, rtt: count }),
    }),
  }),
})

/** Sends one MPEG-TS over several links by librist's main profile, encrypted and authenticated. */
export class BondedSender implements AsyncDisposable {
  readonly #options: BondedSenderOptions
  readonly #log: RistLogChannel
  readonly #context: RistPointer
  readonly #links: RistPointer[] = []
  /** Links by the ids of their peers. librist numbers peers from 1 in the order of their creation. */
  readonly #linkOfPeer = new Map<number, number>()
  #lastPeer = 0
  /** Changes of peers run one after the other. */
  #changes: Promise<unknown> = Promise.resolve()
  readonly #payload = Buffer.alloc(MAX_PAYLOAD)
  readonly #block = Buffer.alloc(DATA_BLOCK.size)
  readonly #statsCallback: bigint
  readonly #renewals = new LinkRenewals((link) => this.renewLink(link))
  #disposal: Promise<void> | undefined

  /**
   * Starts to connect. Packets written before a link has authenticated are lost, as in any live stream.
   *
   * @throws CodedError `rist_library_missing`, `rist_peer_failed`, `rist_srp_failed`, `rist_text_too_long`
   */
  static async open(options: BondedSenderOptions): Promise<BondedSender> {
    const sender = new BondedSender(options)
    try {
      sender.#connect()
    } catch (thrown) {
      await sender[Symbol.asyncDispose]()
      throw thrown
    }
    return sender
  }

  private constructor(options: BondedSenderOptions) {
    const rist = loadRist()
    this.#options = options
    this.#log = new RistLogChannel([options.passphrase, options.password, options.username], (line) => {
      this.#onLine(line)
      options.onLog?.(line)
    })
    const holder: [RistPointer | null] = [null]
    // Flow id 0 lets librist draw an id: a restarted sender must not continue its predecessor's numbering.
    if (rist.senderCreate(holder, RIST_PROFILE_MAIN, 0, this.#log.settings) !== 0 || !holder[0]) {
      this.#log[Symbol.dispose]()
      throw new CodedError('rist_sender_failed', 'librist cannot create a sender')
    }
    this.#context = holder[0]
    this.#statsCallback = koffi.register(this.#onStats, statsCallbackType)
    this.#block.writeBigUInt64LE(BigInt(koffi.address(this.#payload)), DATA_BLOCK.payload)
  }

  #connect(): void {
    const rist = loadRist()
    const { links, username, password, nullPacketDeletion } = this.#options
    for (const [index, link] of links.entries()) {
      const peer = createPeer(this.#context, urlOf(link), this.#fieldsOf(link))
      enableSrp(peer, username, password)
      this.#created(index, peer)
    }
    if (nullPacketDeletion) rist.senderNullDeletion(this.#context)
    rist.statsCallbackSet(this.#context, STATS_INTERVAL_MS, this.#statsCallback, null)
    if (rist.start(this.#context) !== 0) {
      throw new CodedError('rist_sender_failed', 'librist cannot start the sender')
    }
  }

  #created(link: number, peer: RistPointer): void {
    this.#links[link] = peer
    this.#lastPeer += 1
    this.#linkOfPeer.set(this.#lastPeer, link)
  }

  #fieldsOf(link: SenderLink): PeerConfigFields {
    const { passphrase, aesBits, bufferMs } = this.#options
    return {
      numbers: {
        recovery_length_min: bufferMs,
        recovery_length_max: bufferMs,
        recovery_rtt_min: 10,
        weight: this.#weightOf(link),
        key_size: aesBits,
      },
      texts: { secret: passphrase, ...(link.cname === undefined ? {} : { cname: link.cname }) },
    }
  }

  #weightOf(link: SenderLink): number {
    return this.#options.mode === 'duplicate' ? 0 : (link.weight ?? DEFAULT_SHARE_WEIGHT)
  }

  /** The flow id by which the receiver knows this sender. */
  get flowId(): number {
    const holder = [0]
    loadRist().senderFlowId(this.#context, holder)
    return holder[0] ?? 0
  }

  /**
   * Sends whole TS packets at once, seven to a RIST packet. The last RIST packet may be partly filled, so write what
   * belongs together (an access unit) in one call.
   */
  write(ts: Buffer): void {
    for (let offset = 0; offset < ts.length; offset += MAX_PAYLOAD) {
      if (this.#disposal) return
      const length = ts.copy(this.#payload, 0, offset, offset + MAX_PAYLOAD)
      this.#block.writeBigUInt64LE(BigInt(length), DATA_BLOCK.payloadLength)
      loadRist().senderWrite(this.#context, this.#block)
    }
  }

  /**
   * Changes a link's share of the packets during the stream, in mode `share` only. `weight` is at least 1, because
   * weight 0 would make the link duplicate.
   */
  async setWeight(link: number, weight: number): Promise<void> {
    const peer = this.#links[link]
    if (this.#options.mode !== 'share' || peer === undefined || !Number.isInteger(weight) || weight < 1) {
      throw new CodedError('rist_weight_invalid', `link ${link} cannot take weight ${weight}`, {
        details: ['mode must be share, the link must exist, the weight must be an integer from 1 up'],
      })
    }
    if (this.#disposal) return
    await callAsync(loadRist().peerWeightSet, this.#context, peer, weight)
  }

  /**
   * Sends a link from another port from now on, under the same flow. A receiver that has known the old port never
   * answers it again when the link was away for some seconds: both ends then wait for the other to authenticate.
   *
   * @throws CodedError `rist_peer_failed`, `rist_srp_failed`
   */
  renewLink(link: number): Promise<void> {
    const renewed = this.#changes.then(async () => {
      const options = this.#options.links[link]
      const before = this.#links[link]
      if (this.#disposal || options === undefined || before === undefined) return
      const rist = loadRist()
      const { username, password } = this.#options
      const peer = await addPeer(this.#context, urlOf(options), this.#fieldsOf(options))
      await addSrp(peer, username, password)
      this.#created(link, peer)
      await callAsync(rist.peerDestroy, this.#context, before)
      for (const [id, of] of this.#linkOfPeer)
        if (of === link && id !== this.#lastPeer) this.#linkOfPeer.delete(id)
    })
    this.#changes = renewed.catch(() => {})
    return renewed
  }

  #onLine(line: RistLogLine): void {
    const said = answerIn(line)
    const link = said && this.#linkOfPeer.get(said.peer)
    if (link == null || this.#disposal) return
    if (!this.#options.links[link]?.isLocal) this.#renewals.answers(link, said!.answers)
    this.#options.onAnswers?.(link, said!.answers)
  }

  readonly #onStats = (_arg: unknown, container: RistPointer): number => {
    const text: unknown = koffi.decode(container, STATS_JSON_OFFSET, 'char *')
    setImmediate(() => loadRist().statsFree(container))
    const parsed = typeof text === 'string' ? senderStats.safeParse(parseJson(text)) : undefined
    if (!parsed?.success) return 0
    const { id, stats } = parsed.data['sender-stats'].peer
    const link = this.#linkOfPeer.get(id)
    if (link === undefined) return 0
    this.#options.onStats?.({
      link,
      alive: stats.received > 0,
      rttMs: stats.rtt,
      sent: stats.sent,
      retransmitted: stats.retransmitted,
      bitrateKbps: Math.round(stats.bandwidth / 1000),
    })
    return 0
  };

  /** Stops sending and waits until librist's threads have ended. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#close()
    return this.#disposal
  }

  async #close(): Promise<void> {
    this.#renewals[Symbol.dispose]()
    await this.#changes
    await callAsync(loadRist().destroy, this.#context)
    this.#log[Symbol.dispose]()
    koffi.unregister(this.#statsCallback)
  }
}

function urlOf({ host, port }: SenderLink): string {
  return `rist://${host.includes(':') ? `[${host}]` : host}:${port}`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
