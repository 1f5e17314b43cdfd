import { CodedError } from '../common/errors.ts'
import type { Endpoint, FlowContract, Via } from '../common/wire/flow-contract.ts'
import { BondedSender, type BondedSenderOptions, type SenderLinkStats } from './bonded-sender.ts'
import { Detours } from './detour/detours.ts'
import { LinkStats } from './detour/link-stats.ts'

/** One link, over the last second, and its way to the hub. */
export interface ContractLinkStats extends SenderLinkStats {
  readonly via: Via
}

export interface ContractSenderOptions extends Pick<BondedSenderOptions, 'onLog' | 'nullPacketDeletion'> {
  readonly hubUrl: string
  /** Each second, once per link. */
  readonly onStats?: (stats: ContractLinkStats) => void
  /** The way of each link, by its index among the contract's endpoints, whenever one changes. */
  readonly onWays?: (ways: ReadonlyMap<number, Via>) => void
  /** A detour could not be opened, or was lost. It is tried again. */
  readonly onDetourFailed?: (via: Via, why: string) => void
}

/** The terms that a running sender can't change. Other terms need another sender. */
interface Plan {
  readonly contractId: string
  readonly endpoints: readonly Endpoint[]
  readonly mode: 'duplicate' | 'share'
}

interface Sending extends AsyncDisposable {
  readonly sender: BondedSender
  readonly detours: Detours
  readonly plan: Plan
}

/**
 * Sends one MPEG-TS by the last contract it was given, and nothing without a contract. New weights apply at once. Other
 * links, or another contract, begin a new flow. Links where no UDP gets through take a detour, if the contract has one.
 */
export class ContractSender implements AsyncDisposable {
  readonly #options: ContractSenderOptions
  #sending: Sending | null = null
  #newest: FlowContract | null = null
  /** Changes run one after the other. */
  #changes: Promise<void> = Promise.resolve()

  constructor(options: ContractSenderOptions) {
    this.#options = options
  }

  /** @throws CodedError `contract_not_rist`, or what BondedSender throws; then nothing is sent */
  apply(contract: FlowContract): Promise<void> {
    return this.#next(() => this.#apply(contract))
  }

  /** Stops sending. */
  stop(): Promise<void> {
    return this.#next(() => this.#close())
  }

  /** Sends whole TS packets, as BondedSender does. Without a contract they are dropped. */
  write(ts: Buffer): void {
    this.#sending?.sender.write(ts)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #next(change: () => Promise<void>): Promise<void> {
    const changed = this.#changes.then(change)
    this.#changes = changed.catch(() => {})
    return changed
  }

  async #apply(contract: FlowContract): Promise<void> {
    const plan = planOf(contract)
    this.#newest = contract
    if (this.#sending === null || JSON.stringify(plan) !== JSON.stringify(this.#sending.plan)) {
      await this.#close()
      this.#sending = await this.#open(contract, plan)
      this.#sending.detours.contract(contract)
      return
    }
    const { sender, detours } = this.#sending
    detours.contract(contract)
    if (plan.mode === 'duplicate') return
    for (const [index, endpoint] of plan.endpoints.entries()) {
      await sender.setWeight(index, weightOf(contract, endpoint))
      await sender.setWeight(plan.endpoints.length + index, weightOf(contract, endpoint))
    }
  }

  async #open(contract: FlowContract, plan: Plan): Promise<Sending> {
    const { endpoints, mode } = plan
    const { transport, keys, buffer } = contract
    if (transport !== 'rist' || keys?.username === undefined || keys.password === undefined || !buffer)
      throw new CodedError('contract_not_rist', `the contract's transport is ${transport}, or it has no SRP`)
    await using stack = new AsyncDisposableStack()
    let sender: BondedSender | null = null
    const newest = () => this.#newest ?? contract
    const indices = endpoints.map((endpoint) => contract.endpoints.indexOf(endpoint))
    const detours = stack.use(
      await Detours.open({
        hubUrl: this.#options.hubUrl,
        endpoints: indices,
        listener: {
          used: (link, used) => {
            const weight = used ? weightOf(newest(), endpoints[link]!) : LEAST_SHARE
            if (mode === 'share') sender?.setWeight(endpoints.length + link, weight).catch(() => {})
          },
          ways: (ways) => this.#options.onWays?.(new Map(indices.map((at, link) => [at, ways[link]!]))),
          failed: (via, why) => this.#options.onDetourFailed?.(via, why),
        },
      }),
    )
    const joined = new LinkStats(endpoints.length)
    const links = endpoints.map((endpoint, index) => ({
      host: endpoint.address,
      port: endpoint.port,
      cname: endpoint.link ?? `link-${index + 1}`,
      weight: weightOf(contract, endpoint),
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
          })),
        ],
        mode,
        // Packets are kept as long as the receiver may ever wait for them.
        bufferMs: buffer.max_ms,
        passphrase: keys.passphrase,
        aesBits: keys.aes_bits,
        username: keys.username,
        password: keys.password,
        ...(this.#options.nullPacketDeletion && { nullPacketDeletion: true }),
        onStats: (peer) => {
          const via = detours.ways[peer.link % endpoints.length] ?? 'udp'
          const stats = joined.take(peer, via)
          if (stats) this.#options.onStats?.({ ...stats, via })
        },
        onAnswers: (link, answers) => {
          if (link < endpoints.length) detours.udpAnswers(link, answers)
        },
        ...(this.#options.onLog && { onLog: this.#options.onLog }),
      }),
    )
    const owned = stack.move()
    return { sender, detours, plan, [Symbol.asyncDispose]: () => owned.disposeAsync() }
  }

  async #close(): Promise<void> {
    const sending = this.#sending
    this.#sending = null
    await sending?.[Symbol.asyncDispose]()
  }
}

/** The weight of a detour that is being left: librist knows no smaller share. */
const LEAST_SHARE = 1

function planOf({ contract_id, class: streamClass, endpoints, overlay: { bindings } }: FlowContract): Plan {
  // A hub that does not know the sender's links binds none: the class's default use then applies to all links.
  if (bindings.length === 0) {
    const mode = streamClass === 'focus' ? 'duplicate' : 'share'
    return { contractId: contract_id, endpoints, mode }
  }
  const bound = new Set(bindings.map(({ link_id }) => link_id))
  return {
    contractId: contract_id,
    endpoints: endpoints.filter(({ link }) => link === undefined || bound.has(link)),
    mode: bindings.every(({ weight }) => weight === 0) ? 'duplicate' : 'share',
  }
}

const EQUAL_SHARE = 100

function weightOf({ overlay: { bindings } }: FlowContract, { link }: Endpoint): number {
  return bindings.find(({ link_id }) => link_id === link)?.weight || EQUAL_SHARE
}
