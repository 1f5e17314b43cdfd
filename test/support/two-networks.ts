import { joinByCable, type Namespace, openNamespace } from './namespaces.ts'

/** The two networks of a machine on the move: subnets, and devices on both sides of each cable. */
const NETWORKS = { wifi: 1, mobile: 2 } as const
export type NetworkName = keyof typeof NETWORKS

/** Of the firewall's table. */
const TABLE = ['inet', 'firewall'] as const

/**
 * A machine with two networks that both lead to the same server, one of them in use at a time, and with a firewall of
 * its own. It ends with its scope.
 */
export class TwoNetworks implements AsyncDisposable {
  readonly namespace: Namespace
  readonly #subnet: number
  #present: NetworkName | null = null

  private constructor(namespace: Namespace, subnet: number) {
    this.namespace = namespace
    this.#subnet = subnet
  }

  /**
   * Makes the machine, with its first network in use.
   * @param server the namespace of the server, which is reached at each of its addresses
   * @param subnet tells machines of one server apart, 1 to 99
   */
  static async open(server: Namespace, subnet: number): Promise<TwoNetworks> {
    await using stack = new AsyncDisposableStack()
    const namespace = stack.use(await openNamespace())
    const machine = new TwoNetworks(namespace, subnet)
    for (const name of ['wifi', 'mobile'] as const) {
      await joinByCable({ namespace, device: name }, { namespace: server, device: `${name}${subnet}` })
      await server.run('ip', 'address', 'add', `${machine.#at(name, 1)}/24`, 'dev', `${name}${subnet}`)
    }
    await machine.use('wifi')
    stack.move()
    return machine
  }

  get present(): NetworkName | null {
    return this.#present
  }

  /** The machine's address in a network. */
  address(name: NetworkName): string {
    return this.#at(name, 2)
  }

  /** Joins the network that is not in use, beside the present one. Packets still go by the present one. */
  async prepare(): Promise<void> {
    const next = this.#present === 'wifi' ? 'mobile' : 'wifi'
    await this.namespace.run('ip', 'address', 'replace', `${this.address(next)}/24`, 'dev', next)
  }

  /** Leaves the present network and joins another: the address there is another one, and the old one is gone. */
  async use(name: NetworkName): Promise<void> {
    await this.leave()
    await this.namespace.run('ip', 'address', 'replace', `${this.address(name)}/24`, 'dev', name)
    await this.namespace.run('ip', 'route', 'replace', 'default', 'via', this.#at(name, 1))
    this.#present = name
  }

  /** Joins the network that is not in use. */
  async change(): Promise<void> {
    await this.use(this.#present === 'wifi' ? 'mobile' : 'wifi')
  }

  /** Is in no network from now on. */
  async leave(): Promise<void> {
    if (this.#present === null) return
    await this.namespace.run('ip', 'address', 'flush', 'dev', this.#present)
    this.#present = null
  }

  /** Lets only packets out and in that none of these nftables matches drops, e.g. `udp dport 1-65535`. */
  async drop(...matches: string[]): Promise<void> {
    await this.#filter(matches.map((match) => `${match} drop; `).join(''))
  }

  /** Ends each TCP connection at once whose packets one of these nftables matches matches. */
  async reject(...matches: string[]): Promise<void> {
    await this.#filter(matches.map((match) => `${match} reject with tcp reset; `).join(''))
  }

  async #filter(rules: string): Promise<void> {
    const chains = ['output', 'input'].map(
      (hook) => `chain ${hook} { type filter hook ${hook} priority 0; policy accept; ${rules}}; `,
    )
    await this.namespace.run('nft', `table ${TABLE.join(' ')} { ${chains.join('')}}`)
  }

  /** One more cable to the server, whose addresses stay, for UDP to one of its ports. */
  async addSteadyCable(server: Namespace, port: number): Promise<void> {
    const [here, there] = [1, 2].map((host) => `10.79.${this.#subnet}.${host}`)
    const device = `steady${this.#subnet}`
    await joinByCable({ namespace: this.namespace, device: 'steady' }, { namespace: server, device })
    await server.run('ip', 'address', 'add', `${here}/24`, 'dev', device)
    await this.namespace.run('ip', 'address', 'add', `${there}/24`, 'dev', 'steady')
    const table = '77'
    await this.namespace.run('ip', 'route', 'add', 'default', 'via', here!, 'dev', 'steady', 'table', table)
    await this.namespace.run('ip', 'rule', 'add', 'ipproto', 'udp', 'dport', String(port), 'lookup', table)
  }

  /** The firewall lets everything through again. */
  async dropNothing(): Promise<void> {
    await this.namespace.run('nft', 'delete', 'table', ...TABLE)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.namespace[Symbol.asyncDispose]()
  }

  #at(name: NetworkName, host: number): string {
    return `10.78.${this.#subnet * 2 + NETWORKS[name]}.${host}`
  }
}
