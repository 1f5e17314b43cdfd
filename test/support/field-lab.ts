import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Carrier, type Joined } from './carrier/carrier.ts'
import { AgentMachine } from './field-agent.ts'
import { startHub, type TestHub, type TestHubOptions } from './hub.ts'
import { type Namespace, openNamespace } from './namespaces.ts'

const execute = promisify(execFile)

/** The hub's address, which senders reach over each of their links. */
const HUB = '10.99.0.1'

/** This process's own network namespace, which a test must have made (`runNamespaced`). */
const OWN: Joined = { pid: process.pid, run: async (program, ...args) => void (await execute(program, args)) }

/** An enrolled field sender in a network namespace of its own, and its uplinks. */
export interface LabSender {
  readonly machine: AgentMachine
  readonly carrier: Carrier
  readonly namespace: Namespace
  /** The uplinks as a configuration lists them: `link-1` is the first of the carrier. */
  readonly uplinks: readonly { link_id: string; interface: string }[]
}

export interface LabSenderOptions {
  readonly nodeId: string
  /** Names of its interfaces, one a link; `wwan0`, `wwan1` and `wwan2` by default. */
  readonly interfaces?: readonly string[]
}

/** A hub with TLS in this namespace, and field senders that reach it by their uplinks alone. */
export class FieldLab implements AsyncDisposable {
  readonly hub: TestHub
  readonly #owned: AsyncDisposableStack
  #senders = 0

  private constructor(hub: TestHub, owned: AsyncDisposableStack) {
    this.hub = hub
    this.#owned = owned
  }

  static async open(options: TestHubOptions = {}): Promise<FieldLab> {
    await using stack = new AsyncDisposableStack()
    await OWN.run('ip', 'link', 'set', 'lo', 'up')
    await OWN.run('ip', 'address', 'replace', `${HUB}/32`, 'dev', 'lo')
    const args = ['--tls', 'on', '--rtc-ip', HUB, '--rist-ip', HUB, ...(options.args ?? [])]
    const hub = stack.use(await startHub([], { workers: 1, bind: `${HUB}:0`, ...options, args }))
    return new FieldLab(hub, stack.move())
  }

  /** A machine that an operator has enrolled. Nothing runs on it yet. */
  async enrol({ nodeId, interfaces = ['wwan0', 'wwan1', 'wwan2'] }: LabSenderOptions): Promise<LabSender> {
    this.#senders += 1
    const namespace = this.#owned.use(await openNamespace())
    const carrier = this.#owned.use(
      await Carrier.open({ sender: namespace, hub: OWN, number: this.#senders, interfaces }),
    )
    const machine = this.#owned.use(await AgentMachine.enrol(this.hub, nodeId, { enter: namespace.enter }))
    const uplinks = interfaces.map((name, link) => ({ link_id: `link-${link + 1}`, interface: name }))
    return { machine, carrier, namespace, uplinks }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync()
  }
}
