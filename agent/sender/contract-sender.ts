import { CodedError } from '../../common/errors.ts'
import { pause } from '../../common/retry.ts'
import type { Endpoint, FlowContract, Via } from '../../common/wire/flow-contract.ts'
import type { LinkFacts } from '../bond/link-evidence.ts'
import { Detours } from '../detour/detours.ts'
import { LinkStats } from '../detour/link-stats.ts'
import type { TlsIdentity } from '../node/tls-identity.ts'
import { BondedSender, type BondedSenderOptions, type SenderLinkStats } from './bonded-sender.ts'
import { COPIES, EQUAL_SHARE, pathsAtOnce, useOf } from './link-use.ts'
import { HEADERS_BYTES, Pacer } from './pacer.ts'

/** One link, over the last second, and its way to the hub. */
export interface ContractLinkStats extends SenderLinkStats {
  readonly via: Via
}

export interface ContractSenderOptions extends Pick<BondedSenderOptions, 'onLog' | 'nullPacketDeletion'> {
  readonly hubUrl: string
  /** The node's present identity; left out by senders that have none. */
  readonly identity?: () => TlsIdentity | undefined
  /** Each second, once per link. */
  readonly onStats?: (stats: ContractLinkStats) => void
  /** The way of each link, by its index among the contract's endpoints, whenever one changes. */
  readonly onWays?: (ways: ReadonlyMap<number, Via>) => void
  /** A detour could not be opened, or was lost. It is tried again. */
  readonly onDetourFailed?: (via: Via, why: string) => void
  /** Whether the hub answers on any link, whenever that changes. */
  readonly onCarries?: (carries: boolean) => void
  /** A write was given up: it would have left too late. */
  readonly onLate?: (ts: Buffer) => void
}

/** How long all links of a newer version have to answer before those that were left are closed, ms. */
const MADE_WITHIN_MS = 3000
/** What changes for a link holds for all packets under way after this, ms. librist needs more than a buffer's length. */
const SETTLED_MS = 1000

interface Sending extends AsyncDisposable {
  readonly contractId: string
  readonly endpoints: readonly Endpoint[]
  readonly sender: BondedSender
  readonly detours: Detours
  /** Indices of the endpoints whose links are open. */
  readonly open: Set<number>
  /** Tells that a link answers, or does not. */
  readonly answers: EventTarget
}

/**
 * Sends one MPEG-TS by the last contract it was given, and nothing without a contract. A newer version of the contract
 * changes the running flow: links that are new are opened, and only when they carry are the old ones closed. Another
 * contract begins a new flow. Links where no UDP gets through take a detour, if the contract has one.
 */
export class ContractSender implements AsyncDisposable {
  readonly #options: ContractSenderOptions
  #sending: Sending | null = null
  #newest: FlowContract | null = null
  #allowed: readonly string[] | null = null
  #carries = false
  /** Weights that somebody set since the flow began, by the indices of the endpoints. */
  #shares: ReadonlyMap<number, number> = new Map()
  #paceKbps: number | null = null
  readonly #pacer: Pacer
  /** Changes run one after the other. A change that waits gives way to the next. */
  #changes: Promise<void> = Promise.resolve()
  #waiting = new AbortController()

  constructor(options: ContractSenderOptions) {
    this.#options = options
    this.#pacer = new Pacer({
      send: (ts, start, end) => this.#sending?.sender.writePacket(ts, start, end),
      ...(options.onLate && { late: options.onLate }),
    })
  }

  /** How long a write waits now until it may leave, ms. */
  get waitingMs(): number {
    return this.#pacer.waitingMs
  }

  /** Writes that were given up, because they waited for too long. */
  get late(): number {
    return this.#pacer.dropped
  }

  /**
   * @param links the links that may be used, by their ids; null for all
   * @throws CodedError `contract_not_rist`, or what BondedSender throws; then nothing is sent
   */
  apply(contract: FlowContract, links: readonly string[] | null = null): Promise<void> {
    return this.#next((signal) => {
      this.#allowed = links
      return this.#apply(contract, signal)
    })
  }

  /** Stops sending. */
  stop(): Promise<void> {
    return this.#next(() => this.#close())
  }

  /**
   * Sends whole TS packets, as BondedSender does, by the contract's pacing. Without a contract they are dropped. The
   * buffer may not change afterwards.
   */
  write(ts: Buffer): void {
    if (this.#sending) this.#pacer.write(ts)
  }

  /**
   * Sets the weights of links, by the indices of their endpoints, until another flow begins: 0 for copies of all
   * packets, else the link's share. Links that are left out keep the contract's weight.
   */
  async setShares(shares: ReadonlyMap<number, number>): Promise<void> {
    this.#shares = shares
    const sending = this.#sending
    if (!sending || !this.#newest) return
    this.#pace(sending)
    for (const [index, weight] of this.#useOf(this.#newest))
      if (sending.open.has(index)) await share(sending, index, weight)
  }

  /** Bursts leave at this rate at most, until another flow begins, kb/s on the wire: the links carry no more. */
  setPace(kbps: number): void {
    this.#paceKbps = kbps
    if (this.#sending) this.#pace(this.#sending)
  }

  /** What was counted on each open link since the flow began; null while nothing is sent. */
  get facts(): { readonly links: readonly LinkFacts[]; readonly datagramBytes: number } | null {
    const sending = this.#sending
    if (!sending) return null
    return {
      links: [...sending.open].map((link) => factsOf(sending, link)),
      datagramBytes: sending.sender.payloadBytes + HEADERS_BYTES,
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #next(change: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#waiting.abort()
    const waiting = new AbortController()
    this.#waiting = waiting
    const changed = this.#changes.then(() => change(waiting.signal))
    this.#changes = changed.catch(() => {})
    return changed
  }

  async #apply(contract: FlowContract, signal: AbortSignal): Promise<void> {
    this.#newest = contract
    const sending = this.#sending
    if (!sending || !goesOn(sending, contract)) {
      await this.#close()
      this.#sending = await this.#open(contract)
      this.#sending.detours.contract(contract)
      this.#pace(this.#sending)
      return
    }
    sending.detours.contract(contract)
    this.#pace(sending)
    const use = this.#useOf(contract)
    await this.#enter(sending, use, signal)
    if (signal.aborted) return
    for (const [index, weight] of use) await share(sending, index, weight)
    await this.#leave(sending, use, signal)
  }

  /** Opens the links that are new, and waits until they carry. Until then they have copies of what the others carry. */
  async #enter(sending: Sending, use: ReadonlyMap<number, number>, signal: AbortSignal): Promise<void> {
    const { sender, detours, endpoints, open } = sending
    const entered = [...use.keys()].filter((index) => !open.has(index))
    for (const index of entered) {
      open.add(index)
      detours.use(index, true)
      await share(sending, index, COPIES)
      await sender.openLink(index)
      await sender.openLink(endpoints.length + index)
    }
    if (entered.length === 0 && open.size === use.size) return
    await carried(sending, [...use.keys()], signal)
    await settled(signal)
  }

  /** Closes the links that are used no more. First they have copies only: what a link loses when it is closed is nobody's. */
  async #leave(sending: Sending, use: ReadonlyMap<number, number>, signal: AbortSignal): Promise<void> {
    const { sender, detours, endpoints, open } = sending
    const left = [...open].filter((index) => !use.has(index))
    if (left.length === 0) return
    for (const index of left) await share(sending, index, COPIES)
    await settled(signal)
    if (signal.aborted) return
    for (const index of left) {
      open.delete(index)
      await sender.closeLink(index)
      await sender.closeLink(endpoints.length + index)
      detours.use(index, false)
    }
  }

  async #open(contract: FlowContract): Promise<Sending> {
    const { endpoints, transport, keys, buffer } = contract
    if (transport !== 'rist' || keys?.username === undefined || keys.password === undefined || !buffer)
      throw new CodedError('contract_not_rist', `the contract's transport is ${transport}, or it has no SRP`)
    await using stack = new AsyncDisposableStack()
    let sender: BondedSender | null = null
    const newest = () => this.#newest ?? contract
    const use = this.#useOf(contract)
    const answers = new EventTarget()
    const detours = stack.use(
      await Detours.open({
        hubUrl: this.#options.hubUrl,
        identity: this.#options.identity,
        links: endpoints.length,
        listener: {
          used: (link, used) => {
            const share = this.#useOf(newest()).get(link) ?? LEAST_SHARE
            const weight = used ? share : LEAST_SHARE
            const detour = endpoints.length + link
            if (share !== COPIES && sender?.answersOn(detour)) sender.setUse(detour, weight).catch(() => {})
          },
          ways: (ways) => this.#options.onWays?.(new Map(ways.entries())),
          failed: (via, why) => this.#options.onDetourFailed?.(via, why),
        },
      }),
    )
    for (const index of endpoints.keys()) detours.use(index, use.has(index))
    const joined = new LinkStats(endpoints.length)
    const links = endpoints.map((endpoint, index) => ({
      host: endpoint.address,
      port: endpoint.port,
      cname: endpoint.link ?? `link-${index + 1}`,
      isIdle: !use.has(index),
      weight: use.get(index) || EQUAL_SHARE,
    }))
    sender = stack.use(
      await BondedSender.open({
        links: [
          ...links,
          ...detours.ports.map((port, index) => ({
            ...links[index],
            host: '127.0.0.1',
            port,
            isLocal: true,
            weight: COPIES,
          })),
        ],
        mode: [...use.values()].every((weight) => weight === 0) ? 'duplicate' : 'share',
        // Packets are kept as long as the receiver may ever wait for them.
        bufferMs: buffer.max_ms,
        passphrase: keys.passphrase,
        aesBits: keys.aes_bits,
        username: keys.username,
        password: keys.password,
        maxKbps: contract.pacing.max_kbps,
        ...(this.#options.nullPacketDeletion && { nullPacketDeletion: true }),
        onStats: (peer) => {
          const via = detours.ways[peer.link % endpoints.length] ?? 'udp'
          const stats = joined.take(peer, via)
          if (stats) this.#options.onStats?.({ ...stats, via })
        },
        onAnswers: (link, now) => {
          if (link < endpoints.length) detours.udpAnswers(link, now)
          const weight = this.#useOf(newest()).get(link % endpoints.length) ?? COPIES
          sender?.setUse(link, now ? weight : COPIES).catch(() => {})
          answers.dispatchEvent(new Event('change'))
          if (this.#sending?.answers === answers) this.#pace(this.#sending)
          this.#tellCarries(
            sender !== null && links.some((_, index) => carries(sender!, links.length, index)),
          )
        },
        ...(this.#options.onLog && { onLog: this.#options.onLog }),
      }),
    )
    const owned = stack.move()
    const { contract_id: contractId } = contract
    const open = new Set(use.keys())
    return {
      contractId,
      endpoints,
      sender,
      detours,
      open,
      answers,
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    }
  }

  #tellCarries(carries: boolean): void {
    if (carries === this.#carries) return
    this.#carries = carries
    this.#options.onCarries?.(carries)
  }

  #useOf(contract: FlowContract): Map<number, number> {
    const use = useOf(contract, this.#allowed)
    for (const [index, weight] of this.#shares) if (use.has(index)) use.set(index, weight)
    return use
  }

  /** The contract bounds each path. Where paths share the packets, several may be busy at once. */
  #pace({ sender, endpoints }: Pick<Sending, 'sender' | 'endpoints'>): void {
    if (!this.#newest) return
    const { pacing } = this.#newest
    const paths = pathsAtOnce(this.#useOf(this.#newest), (index) => carries(sender, endpoints.length, index))
    const granted = pacing.max_kbps * paths
    const kbps = Math.min(granted, this.#paceKbps ?? granted)
    // The burst is granted in ms of the contract's rate, whatever the rate is now.
    this.#pacer.limit({ kbps, burstMs: (pacing.burst_ms * granted) / kbps })
  }

  async #close(): Promise<void> {
    const sending = this.#sending
    this.#sending = null
    this.#shares = new Map()
    this.#paceKbps = null
    this.#pacer.clear()
    this.#tellCarries(false)
    await sending?.[Symbol.asyncDispose]()
  }
}

/** The weight of a detour that is being left: librist knows no smaller share. */
const LEAST_SHARE = 1

const settled = (signal: AbortSignal): Promise<void> => pause(SETTLED_MS, signal).catch(() => {})

/**
 * librist counts the weight of a peer on which nobody answers, and leaves out a packet at the end of each round. So such a
 * peer has none: copies for it go nowhere.
 */
async function share({ sender, endpoints }: Sending, index: number, weight: number): Promise<void> {
  for (const peer of [index, endpoints.length + index])
    await sender.setUse(peer, sender.answersOn(peer) ? weight : COPIES)
}

/** UDP and detour are one link. */
function factsOf({ sender, endpoints }: Sending, link: number): LinkFacts {
  const udp = sender.factsOf(link)
  const detour = sender.factsOf(endpoints.length + link)
  const last = (detour?.heardAtMs ?? 0) > (udp?.heardAtMs ?? 0) ? detour : udp
  return {
    link,
    sent: (udp?.sent ?? 0) + (detour?.sent ?? 0),
    heard: (udp?.heard ?? 0) + (detour?.heard ?? 0),
    rttMs: last?.rttMs ?? null,
  }
}

/** Whether the flow can go on under this contract. */
function goesOn({ contractId, endpoints }: Sending, { contract_id, endpoints: next }: FlowContract): boolean {
  const places = (all: readonly Endpoint[]) => all.map(({ address, port }) => `${address} ${port}`).join()
  return contractId === contract_id && places(endpoints) === places(next)
}

/** Whether the hub answers on a link, by UDP or by its detour. */
const carries = (sender: BondedSender, links: number, index: number): boolean =>
  sender.answersOn(index) || sender.answersOn(links + index)

/** Waits until the hub answers on all of these links, or for some time, and then until it answers on one. */
async function carried(
  { sender, endpoints, answers }: Sending,
  used: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const carry = (index: number) => carries(sender, endpoints.length, index)
  let isLate = false
  const look = (): void => {
    if (signal.aborted || used.every(carry) || (isLate && used.some(carry))) resolve()
  }
  const timer = setTimeout(() => {
    isLate = true
    look()
  }, MADE_WITHIN_MS)
  answers.addEventListener('change', look)
  signal.addEventListener('abort', look)
  look()
  await promise
  clearTimeout(timer)
  answers.removeEventListener('change', look)
}
