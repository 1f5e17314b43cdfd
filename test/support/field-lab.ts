import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Carrier, type Joined } from './carrier/carrier.ts'
import { AgentMachine } from './field-agent.ts'
import { startHub, type TestHub, type TestHubOptions } from './hub.ts'
import { type Namespace, openNamespace } from './namespaces.ts'

const execute = promisify(execFile)

/** The hub's address, which senders reach over each of their links. */
const HUB = '10.99.0.1'

const INTERFACES = ['wwan0', 'wwan1', 'wwan2']

/** This process's own network namespace, which a test must have made (`runNamespaced`). */
const OWN: Joined = { pid: process.pid, run: async (program, ...args) => void (await execute(program, args)) }

/** A network namespace whose only ways out are uplinks. */
export interface LabPlace {
  readonly carrier: Carrier
  readonly namespace: Namespace
  /** The uplinks as a configuration lists them: `link-1` is the first of the carrier. */
  readonly uplinks: readonly { link_id: string; interface: string }[]
}

/** An enrolled field sender there. */
export interface LabSender extends LabPlace {
  readonly machine: AgentMachine
}

export interface LabSenderOptions {
  readonly nodeId: string
  /** Names of its interfaces, one a link; `wwan0`, `wwan1` and `wwan2` by default. */
  readonly interfaces?: readonly string[]
  /** Further environment of its programs. */
  readonly env?: Readonly<Record<string, string>>
}

/** A hub with TLS in this namespace, and field senders that reach it by their uplinks alone. */
export class FieldLab implements AsyncDisposable {
  readonly #options: TestHubOptions
  readonly #owned: AsyncDisposableStack
  #hub: TestHub
  #senders = 0

  private constructor(hub: TestHub, options: TestHubOptions, owned: AsyncDisposableStack) {
    this.#hub = hub
    this.#options = options
    this.#owned = owned
  }

  static async open(options: TestHubOptions = {}): Promise<FieldLab> {
    await using stack = new AsyncDisposableStack()
    await OWN.run('ip', 'link', 'set', 'lo', 'up')
    await OWN.run('ip', 'address', 'replace', `${HUB}/32`, 'dev', 'lo')
    const args = ['--tls', 'on', '--rtc-ip', HUB, '--rist-ip', HUB, ...(options.args ?? [])]
    const all = { workers: 1, bind: `${HUB}:0`, ...options, args }
    const hub = await startHub([], all)
    return new FieldLab(hub, all, stack.move())
  }

  /** The hub that runs now. */
  get hub(): TestHub {
    return this.#hub
  }

  /** Cuts the hub's power and starts it again: at the same address, on its state if it has a folder (`dataDir`). */
  async rebootHub(): Promise<void> {
    const { url, adminToken } = this.#hub
    this.#hub.process.kill('SIGKILL')
    await this.#hub[Symbol.asyncDispose]()
    this.#hub = await startHub([], { ...this.#options, bind: new URL(url).host, adminToken })
  }

  /** A machine that an operator has enrolled. Nothing runs on it yet. */
  async enrol({ nodeId, interfaces = INTERFACES, env = {} }: LabSenderOptions): Promise<LabSender> {
    const place = await this.place(interfaces)
    const { enter } = place.namespace
    const machine = this.#owned.use(await AgentMachine.enrol(this.hub, nodeId, { enter, env }))
    return { machine, ...place }
  }

  /** A place in the field with uplinks, and no machine in it. */
  async place(interfaces: readonly string[] = INTERFACES): Promise<LabPlace> {
    this.#senders += 1
    const namespace = this.#owned.use(await openNamespace())
    const carrier = this.#owned.use(
      await Carrier.open({ sender: namespace, hub: OWN, number: this.#senders, interfaces }),
    )
    const uplinks = interfaces.map((name, link) => ({ link_id: `link-${link + 1}`, interface: name }))
    return { carrier, namespace, uplinks }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
    await this.#hub[Symbol.asyncDispose]()
  }
}
