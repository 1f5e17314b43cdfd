import { CodedError } from '../common/errors.ts'
import type { Endpoint, FlowContract } from '../common/wire/flow-contract.ts'
import { BondedSender, type BondedSenderOptions } from './bonded-sender.ts'

export type ContractSenderOptions = Pick<BondedSenderOptions, 'onStats' | 'onLog' | 'nullPacketDeletion'>

/** The terms that a running sender can't change. Other terms need another sender. */
interface Plan {
  readonly contractId: string
  readonly endpoints: readonly Endpoint[]
  readonly mode: 'duplicate' | 'share'
}

/**
 * Sends one MPEG-TS by the last contract it was given, and nothing without a contract. New weights apply at once. Other
 * links, or another contract, begin a new flow.
 */
export class ContractSender implements AsyncDisposable {
  readonly #options: ContractSenderOptions
  #sender: BondedSender | null = null
  #plan: Plan | null = null
  /** Changes run one after the other. */
  #changes: Promise<void> = Promise.resolve()

  constructor(options: ContractSenderOptions = {}) {
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
    this.#sender?.write(ts)
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
    if (this.#sender === null || JSON.stringify(plan) !== JSON.stringify(this.#plan)) {
      await this.#close()
      this.#sender = await this.#open(contract, plan)
      this.#plan = plan
      return
    }
    if (plan.mode === 'duplicate') return
    for (const [index, endpoint] of plan.endpoints.entries())
      await this.#sender.setWeight(index, weightOf(contract, endpoint))
  }

  async #open(contract: FlowContract, { endpoints, mode }: Plan): Promise<BondedSender> {
    const { transport, keys, buffer } = contract
    if (transport !== 'rist' || keys?.username === undefined || keys.password === undefined || !buffer)
      throw new CodedError('contract_not_rist', `the contract's transport is ${transport}, or it has no SRP`)
    return BondedSender.open({
      links: endpoints.map((endpoint, index) => ({
        host: endpoint.address,
        port: endpoint.port,
        cname: endpoint.link ?? `link-${index + 1}`,
        weight: weightOf(contract, endpoint),
      })),
      mode,
      // Packets are kept as long as the receiver may ever wait for them.
      bufferMs: buffer.max_ms,
      passphrase: keys.passphrase,
      aesBits: keys.aes_bits,
      username: keys.username,
      password: keys.password,
      ...this.#options,
    })
  }

  async #close(): Promise<void> {
    const sender = this.#sender
    this.#sender = null
    this.#plan = null
    await sender?.[Symbol.asyncDispose]()
  }
}

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
