import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { LinkCounters } from '../impaired-link.ts'
import type { Impairment } from '../impairment.ts'
import type { PlayedTrace } from '../link-traces/link-trace.ts'
import type { Namespace } from '../namespaces.ts'
import type { CarrierAnswer, CarrierOrder } from './carrier-protocol.ts'

const PROGRAM = fileURLToPath(new URL('./carrier-main.ts', import.meta.url))
/** How often a trace sets the links anew, ms. */
const STEP_MS = 200

/** The namespaces that a carrier joins; only what it needs of them. */
export type Joined = Pick<Namespace, 'pid' | 'run'>

export interface CarrierOptions {
  readonly sender: Joined
  readonly hub: Joined
  /** Tells carriers at one hub apart, 1 to 99. */
  readonly number: number
  /** Names of the sender's interfaces, one a link, at most 8. */
  readonly interfaces: readonly string[]
}

/**
 * The uplinks of a field sender: each is an interface of its own in the sender's network namespace, with an address, a
 * default route, and a way to the hub that can be impaired, played from a trace, or unplugged. All that the sender
 * sends goes this way, whatever the protocol.
 */
export class Carrier implements AsyncDisposable {
  readonly #options: CarrierOptions
  readonly #child: ChildProcess
  readonly #names: string[]
  /** One order at a time: answers carry no number. */
  #last: Promise<unknown> = Promise.resolve()
  #playing: NodeJS.Timeout | undefined

  static async open(options: CarrierOptions): Promise<Carrier> {
    const carrier = new Carrier(options)
    try {
      for (const [link, name] of options.interfaces.entries()) await carrier.plug(link, name)
      return carrier
    } catch (error) {
      await carrier[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor(options: CarrierOptions) {
    this.#options = options
    this.#names = [...options.interfaces]
    const env = { ...process.env, UV_THREADPOOL_SIZE: String(2 * options.interfaces.length + 4) }
    this.#child = fork(PROGRAM, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [], env })
  }

  /** The sender's address on a link. */
  address(link: number): string {
    return this.#at(link, 2)
  }

  /** Plugs a modem in, under any name: the same link with the same address, as after a re-enumeration. */
  async plug(link: number, name: string): Promise<void> {
    const { sender, hub, number } = this.#options
    const far = `carrier${number}-${link}`
    await this.#order({
      type: 'plug',
      link,
      near: name,
      far,
      senderPid: sender.pid,
      hubPid: hub.pid,
      seed: number * 100 + link * 2,
    })
    this.#names[link] = name
    await hub.run('ip', 'address', 'add', `${this.#at(link, 1)}/30`, 'dev', far)
    await hub.run('ip', 'link', 'set', far, 'up')
    await sender.run('ip', 'address', 'add', `${this.address(link)}/30`, 'dev', name)
    await sender.run('ip', 'link', 'set', name, 'up')
    const metric = String(100 + link)
    await sender.run('ip', 'route', 'add', 'default', 'via', this.#at(link, 1), 'dev', name, 'metric', metric)
  }

  /** Pulls a modem out: its interface is gone. */
  async unplug(link: number): Promise<void> {
    const { sender, hub, number } = this.#options
    await sender.run('ip', 'link', 'delete', this.#names[link]!)
    await hub.run('ip', 'link', 'delete', `carrier${number}-${link}`)
  }

  /** Replaces both directions' impairments of a link. Fields that are left out are unimpaired. */
  async set(
    link: number,
    { forward = {}, backward = {} }: { forward?: Partial<Impairment>; backward?: Partial<Impairment> },
  ): Promise<void> {
    await this.#order({ type: 'set', link, forward, backward })
  }

  /** The same impairment for both directions of a link. */
  setBoth(link: number, impairment: Partial<Impairment>): Promise<void> {
    return this.set(link, { forward: impairment, backward: impairment })
  }

  async counters(link: number): Promise<LinkCounters> {
    const answer = await this.#order({ type: 'counters', link })
    if (answer.type !== 'counters') throw new Error('the carrier answered out of turn')
    return answer.counters
  }

  /** Plays a trace on all links from now on, again and again. Links beyond the trace's have its links anew. */
  play(trace: PlayedTrace): void {
    this.stop()
    const startedAt = performance.now()
    const step = (): void => {
      const atMs = performance.now() - startedAt
      for (const link of this.#names.keys())
        this.set(link, trace.at(link % trace.trace.links.length, atMs)).catch(() => {})
    }
    step()
    this.#playing = setInterval(step, STEP_MS)
  }

  /** Stops playing. The links stay as they are. */
  stop(): void {
    clearInterval(this.#playing)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop()
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }

  #at(link: number, host: 1 | 2): string {
    return `10.${100 + this.#options.number}.${link}.${host}`
  }

  #order(order: CarrierOrder): Promise<CarrierAnswer> {
    const next = this.#last.then(async () => {
      const answer = once(this.#child, 'message')
      this.#child.send(order)
      const [message]: CarrierAnswer[] = (await answer) as [CarrierAnswer]
      if (message!.type === 'failed') throw new Error(message!.reason)
      return message!
    })
    this.#last = next.catch(() => {})
    return next
  }
}
