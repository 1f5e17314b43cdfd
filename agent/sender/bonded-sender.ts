import koffi from 'koffi'
import { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
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
} from '../../common/rist/librist.ts'
import { RistLogChannel, type RistLogLine } from '../../common/rist/log-channel.ts'
import { answerIn, LinkRenewals } from './link-answers.ts'
import { LinkMeter, type PeerFacts, type PeerStats, type SenderLinkStats } from './link-meter.ts'

export type { SenderLinkStats }

export interface SenderLink {
  /** Host name or IP address of the receiver. Routing on the port binds a link to an uplink. */
  readonly host: string
  readonly port: number
  /** The link's name in the receiver's statistics, at most 127 bytes. */
  readonly cname?: string
  /** Share of the packets in mode `share`, relative to the other links. librist schedules well near 100. */
  readonly weight?: number
  /** The link is opened later, by {@link BondedSender.openLink}. */
  readonly isIdle?: boolean
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
  /** Where a link carries that much, librist sends nothing again, kb/s. No bound where it is left out. */
  readonly maxKbps?: number
  /** Leaves out MPEG-TS null packets; the receiver puts them back. */
  readonly nullPacketDeletion?: boolean
  /** Each second, once per link. */
  readonly onStats?: (stats: SenderLinkStats) => void
  /** The receiver begins to answer on a link, or answers no more. */
  readonly onAnswers?: (link: number, answers: boolean) => void
  /** librist's own lines, free of secrets. */
  readonly onLog?: (line: RistLogLine) => void
}

const TS_PACKET = 188
/** Seven TS packets fill an Ethernet frame with GRE, RTP and UDP around them (VSF TR-06-1 section 5.2). */
export const MAX_PAYLOAD = 7 * TS_PACKET
/** How often librist tells its statistics, ms: a dead link must be noticed in 300 ms. */
const STATS_INTERVAL_MS = 100
/** A link that has answered and that librist does not take for dead is silent after this time, ms. */
const SILENT_MS = 1500
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
  /** The peers of the links that are open. */
  readonly #links: (RistPointer | undefined)[] = []
  /** Links on which the receiver answers now. */
  readonly #answering = new Set<number>()
  /** 0: copies of all packets; else the link's share of the packets. */
  readonly #weights: number[]
  /** Links by the ids of their peers. librist numbers peers from 1 in the order of their creation. */
  readonly #linkOfPeer = new Map<number, number>()
  #lastPeer = 0
  /** Changes of peers run one after the other. */
  #changes: Promise<unknown> = Promise.resolve()
  readonly #payload = Buffer.alloc(MAX_PAYLOAD)
  readonly #block = Buffer.alloc(DATA_BLOCK.size)
  readonly #statsCallback: bigint
  readonly #renewals = new LinkRenewals((link) => this.renewLink(link))
  /** By link. */
  readonly #meters: LinkMeter[]
  #bytes = 0
  #packets = 0
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
    this.#weights = options.links.map(({ weight }) =>
      options.mode === 'duplicate' ? 0 : (weight ?? DEFAULT_SHARE_WEIGHT),
    )
    this.#meters = options.links.map((_, link) => new LinkMeter(link, performance.now()))
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
      if (link.isIdle) continue
      this.#expect(index)
      const peer = createPeer(this.#context, urlOf(link), this.#fieldsOf(index))
      enableSrp(peer, username, password)
      this.#links[index] = peer
    }
    if (nullPacketDeletion) rist.senderNullDeletion(this.#context)
    rist.statsCallbackSet(this.#context, STATS_INTERVAL_MS, this.#statsCallback, null)
    if (rist.start(this.#context) !== 0) {
      throw new CodedError('rist_sender_failed', 'librist cannot start the sender')
    }
  }

  /** Call it before the peer is created: a receiver may answer at once. @returns the peer's id */
  #expect(link: number): number {
    this.#lastPeer += 1
    this.#linkOfPeer.set(this.#lastPeer, link)
    return this.#lastPeer
  }

  #fieldsOf(index: number): PeerConfigFields {
    const { passphrase, aesBits, bufferMs, maxKbps, links } = this.#options
    const cname = links[index]?.cname
    return {
      numbers: {
        recovery_length_min: bufferMs,
        recovery_length_max: bufferMs,
        recovery_rtt_min: 10,
        weight: this.#weights[index] ?? DEFAULT_SHARE_WEIGHT,
        key_size: aesBits,
        ...(maxKbps !== undefined && { recovery_maxbitrate: maxKbps }),
      },
      texts: { secret: passphrase, ...(cname === undefined ? {} : { cname }) },
    }
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
    for (let offset = 0; offset < ts.length; offset += MAX_PAYLOAD)
      this.writePacket(ts, offset, offset + MAX_PAYLOAD)
  }

  /** Sends `ts` from `start` to `end` or its own end, `MAX_PAYLOAD` bytes at most, as one RIST packet. */
  writePacket(ts: Buffer, start: number, end: number): void {
    if (this.#disposal) return
    const length = ts.copy(this.#payload, 0, start, end)
    this.#bytes += length
    this.#packets += 1
    this.#block.writeBigUInt64LE(BigInt(length), DATA_BLOCK.payloadLength)
    loadRist().senderWrite(this.#context, this.#block)
  }

  /**
   * Changes a link's share of the packets during the stream, in mode `share` only. `weight` is at least 1, because
   * weight 0 would make the link duplicate.
   */
  async setWeight(link: number, weight: number): Promise<void> {
    const { mode, links } = this.#options
    if (mode !== 'share' || links[link] === undefined || !Number.isInteger(weight) || weight < 1) {
      throw new CodedError('rist_weight_invalid', `link ${link} cannot take weight ${weight}`, {
        details: ['mode must be share, the link must exist, the weight must be an integer from 1 up'],
      })
    }
    await this.setUse(link, weight)
  }

  /** As {@link setWeight}, whatever the mode was: with 0 the link carries a copy of every packet. */
  async setUse(link: number, weight: number): Promise<void> {
    if (this.#weights[link] === weight) return
    this.#weights[link] = weight
    const peer = this.#links[link]
    if (peer === undefined || this.#disposal) return
    await callAsync(loadRist().peerWeightSet, this.#context, peer, weight)
  }

  /** What librist has counted on a link since the flow began. It tells its counts ten times a second. */
  factsOf(link: number): PeerFacts | null {
    return this.#meters[link]?.facts ?? null
  }

  /** Mean length of the payload of a packet since the flow began, bytes. */
  get payloadBytes(): number {
    return this.#packets === 0 ? MAX_PAYLOAD : this.#bytes / this.#packets
  }

  /** Whether the receiver answers on this link now. */
  answersOn(link: number): boolean {
    return this.#answering.has(link)
  }

  /**
   * Opens a link during the stream, under the same flow. Packets take it once the receiver has answered on it.
   * @throws CodedError `rist_peer_failed`, `rist_srp_failed`
   */
  openLink(link: number): Promise<void> {
    return this.#change(async () => {
      const options = this.#options.links[link]
      if (this.#disposal || options === undefined || this.#links[link] !== undefined) return
      await this.#add(link, options)
    })
  }

  /** Closes a link during the stream. The others carry on, and repair what it has lost. */
  closeLink(link: number): Promise<void> {
    return this.#change(async () => {
      const peer = this.#links[link]
      if (this.#disposal || peer === undefined) return
      this.#links[link] = undefined
      this.#answering.delete(link)
      this.#renewals.answers(link, true)
      await this.#remove(link, peer, 0)
    })
  }

  /**
   * Sends a link from another port from now on, under the same flow. A receiver that has known the old port never
   * answers it again when the link was away for some seconds: both ends then wait for the other to authenticate.
   *
   * @throws CodedError `rist_peer_failed`, `rist_srp_failed`
   */
  renewLink(link: number): Promise<void> {
    return this.#change(async () => {
      const options = this.#options.links[link]
      const before = this.#links[link]
      if (this.#disposal || options === undefined || before === undefined) return
      await this.#add(link, options)
      await this.#remove(link, before, this.#lastPeer)
    })
  }

  async #add(link: number, options: SenderLink): Promise<void> {
    const { username, password } = this.#options
    const id = this.#expect(link)
    try {
      const peer = await addPeer(this.#context, urlOf(options), this.#fieldsOf(link))
      await addSrp(peer, username, password)
      this.#links[link] = peer
    } catch (error) {
      this.#linkOfPeer.delete(id)
      throw error
    }
  }

  /** @param but the id of the link's other peer */
  async #remove(link: number, peer: RistPointer, but: number): Promise<void> {
    await callAsync(loadRist().peerDestroy, this.#context, peer)
    for (const [id, of] of this.#linkOfPeer) if (of === link && id !== but) this.#linkOfPeer.delete(id)
  }

  #change(work: () => Promise<void>): Promise<void> {
    const changed = this.#changes.then(work)
    this.#changes = changed.catch(() => {})
    return changed
  }

  #onLine(line: RistLogLine): void {
    const said = answerIn(line)
    const link = said && this.#linkOfPeer.get(said.peer)
    if (link == null || this.#disposal) return
    if (said!.answers) this.#answering.add(link)
    else this.#answering.delete(link)
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
    const heardAtMs = this.#meters[link]?.facts.heardAtMs ?? 0
    const silentMs = performance.now() - heardAtMs
    if (heardAtMs > 0 && silentMs > SILENT_MS && !this.#options.links[link]?.isLocal)
      this.#renewals.silent(link)
    const second = this.#meters[link]?.take(stats satisfies PeerStats, performance.now())
    if (second) this.#options.onStats?.(second)
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
