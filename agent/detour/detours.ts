import { CodedError, messageOf } from '../../common/errors.ts'
import { type Backoff, backoffMs, pause } from '../../common/retry.ts'
import type { FlowContract, Via } from '../../common/wire/flow-contract.ts'
import type { TlsIdentity } from '../node/tls-identity.ts'
import type { Carrier, CarrierOptions } from './carrier.ts'
import { LinkWay } from './link-way.ts'
import { LocalPort } from './local-port.ts'
import { TurnCarrier } from './turn-carrier.ts'
import { turnServersOf } from './turn-url.ts'
import { WssCarrier } from './wss-carrier.ts'

/** How often to look which links need the detour, ms. What librist tells is acted on at once. */
const LOOK_EVERY_MS = 500
/** A detour that is not needed any more stays this long while its packets get fewer, ms. */
const LEAVE_MS = 1000
/** A detour that is open and over which the hub does not answer for this long is none, ms. */
const ANSWER_WITHIN_MS = 4000
const AGAIN: Backoff = { initialMs: 500, maxMs: 15_000, factor: 2 }

export type DetourContract = Pick<FlowContract, 'detours' | 'join' | 'endpoints'>

export interface DetoursOptions {
  readonly hubUrl: string
  /** The node's present identity; left out by senders that have none. */
  readonly identity?: (() => TlsIdentity | undefined) | undefined
  /** How many links the sender has: one for each of the contract's endpoints, in their order. */
  readonly links: number
  readonly listener: DetoursListener
}

export interface DetoursListener {
  /** The detour of a link is about to be used (true), or to be left: then few packets should take it. */
  used(link: number, used: boolean): void
  /** The way of each link, whenever one changes. */
  ways(ways: readonly Via[]): void
  /** A way could not be opened, or is lost. It is tried again. */
  failed(via: Via, why: string): void
}

interface OfferedWay {
  readonly via: Carrier['via']
  readonly open: () => Promise<Carrier>
}

interface LinkState {
  readonly port: LocalPort
  way: LinkWay
  /** A link that is not used takes no detour. */
  isUsed: boolean
  /** librist's last datagram while the link took no detour: librist greets once a second, and need not be waited for. */
  greeting: Uint8Array | null
  /** Whether datagrams go to the carrier. */
  open: boolean
  leavesAt: number | null
}

/**
 * The detours of a sender's links. Each link has a port on loopback beside its UDP way, and librist sends to both, as to
 * two links of one bond. While UDP gets through, datagrams of the port end here. When it does not, they go by a carrier
 * that all links share, until UDP is back: librist tries it all the time. Both ways carry for a while, so nothing is
 * lost.
 */
export class Detours implements AsyncDisposable {
  readonly #options: DetoursOptions
  readonly #stop = new AbortController()
  readonly #links: LinkState[] = []
  readonly #look: NodeJS.Timeout
  #contract: DetourContract | null = null
  #carrier: Carrier | null = null
  /** When the carrier opened; null once the hub has answered over it. */
  #openedAt: number | null = null
  /** The way that comes next, among all that are offered. */
  #turn = 0
  #opening: Promise<void> | null = null
  #told: readonly Via[] = []

  /** Opens the ports; no detour yet. */
  static async open(options: DetoursOptions): Promise<Detours> {
    const detours = new Detours(options)
    for (let link = 0; link < options.links; link += 1) {
      const port = await LocalPort.open((datagram) => detours.#heard(link, datagram))
      const way = new LinkWay(performance.now())
      detours.#links.push({ port, way, isUsed: true, greeting: null, open: false, leavesAt: null })
    }
    return detours
  }

  private constructor(options: DetoursOptions) {
    this.#options = options
    this.#look = setInterval(() => this.#decide(), LOOK_EVERY_MS)
  }

  /** Where librist sends the datagrams of each link. */
  get ports(): readonly number[] {
    return this.#links.map(({ port }) => port.port)
  }

  /** The way of each link now. */
  get ways(): readonly Via[] {
    return this.#links.map(({ open }) => (open && this.#carrier ? this.#carrier.via : 'udp'))
  }

  /** Takes the newest version of the contract. */
  contract(contract: DetourContract): void {
    this.#contract = contract
    this.#decide()
  }

  /** The sender begins to use a link, or has left it. All links are used at first. */
  use(link: number, isUsed: boolean): void {
    const state = this.#links[link]
    if (!state || state.isUsed === isUsed) return
    state.isUsed = isUsed
    state.way = new LinkWay(performance.now())
    state.greeting = null
    this.#decide()
  }

  /** Whether the hub answers over UDP on this link. */
  udpAnswers(link: number, answers: boolean): void {
    this.#links[link]?.way.observe(answers, performance.now())
    this.#decide()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    clearInterval(this.#look)
    await this.#opening
    this.#carrier?.[Symbol.dispose]()
    for (const { port } of this.#links) port[Symbol.dispose]()
  }

  #heard(link: number, datagram: Buffer): void {
    const state = this.#links[link]
    if (!state) return
    if (state.open && this.#carrier) this.#carrier.send(link, datagram)
    else state.greeting = datagram
  }

  #decide(): void {
    if (this.#stop.signal.aborted) return
    const now = performance.now()
    const offered = this.#offers
    let needed = false
    for (const [link, state] of this.#links.entries()) {
      const takes = offered && state.isUsed && state.way.takesDetour(now)
      needed ||= takes
      if (takes) this.#enter(link, state)
      else if (state.open) this.#leave(link, state, now)
    }
    if (this.#carrier && this.#openedAt !== null && now - this.#openedAt > ANSWER_WITHIN_MS) {
      this.#turn += 1
      this.#carrier[Symbol.dispose]()
      return this.#lost('the hub does not answer over it')
    }
    if (needed && !this.#carrier) this.#opening ??= this.#openCarrier()
    const held = this.#links.some(({ open }) => open)
    if (!needed && !held && this.#carrier) {
      this.#carrier[Symbol.dispose]()
      this.#carrier = null
    }
    this.#tell()
  }

  #enter(link: number, state: LinkState): void {
    if (state.leavesAt !== null) {
      state.leavesAt = null
      this.#options.listener.used(link, true)
    }
    if (state.open || !this.#carrier) return
    state.open = true
    this.#options.listener.used(link, true)
    if (state.greeting) this.#carrier.send(link, state.greeting)
    state.greeting = null
  }

  /** First fewer packets, then none. */
  #leave(link: number, state: LinkState, now: number): void {
    if (state.leavesAt === null) {
      state.leavesAt = now + LEAVE_MS
      this.#options.listener.used(link, false)
    } else if (now >= state.leavesAt) {
      state.leavesAt = null
      state.open = false
    }
  }

  /** Opens the first way that works, and tries until one does or none is needed. */
  async #openCarrier(): Promise<void> {
    const { signal } = this.#stop
    for (let failures = 0; !signal.aborted && this.#needed(); failures += 1) {
      const ways = this.#offeredWays()
      for (let tried = 0; tried < ways.length; tried += 1) {
        const { via, open } = ways[this.#turn % ways.length]!
        try {
          this.#carrier = await open()
          this.#openedAt = performance.now()
          this.#opening = null
          return this.#decide()
        } catch (error) {
          if (signal.aborted) return
          if (!(error instanceof CodedError)) throw error
          this.#options.listener.failed(via, messageOf(error))
          this.#turn += 1
        }
      }
      await pause(backoffMs(AGAIN, failures), signal).catch(() => {})
    }
    this.#opening = null
  }

  get #offers(): boolean {
    return (this.#contract?.detours.length ?? 0) > 0
  }

  #needed(): boolean {
    const now = performance.now()
    return this.#offers && this.#links.some(({ way, isUsed }) => isUsed && way.takesDetour(now))
  }

  /** All ways that the contract offers, in the order to try. */
  #offeredWays(): OfferedWay[] {
    const contract = this.#contract
    if (!contract) return []
    const { detours, join, endpoints } = contract
    return detours.flatMap(({ via, url, queue_ms }): OfferedWay[] => {
      const options = this.#carrierOptions(join.ticket, queue_ms)
      if (via === 'turn')
        return turnServersOf(join).map((server) => ({
          via,
          open: () => TurnCarrier.open(server, endpoints, options),
        }))
      const { hubUrl, identity } = this.#options
      const at = new URL(new URL(url ?? '', hubUrl).href.replace(/^http/, 'ws'))
      return [{ via, open: () => WssCarrier.open(at, identity?.(), options) }]
    })
  }

  #carrierOptions(ticket: string, queueMs: number): CarrierOptions {
    return {
      ticket,
      queueMs,
      signal: this.#stop.signal,
      listener: {
        heard: (link, datagram) => {
          // The stream's own port answers: this way leads there.
          this.#openedAt = null
          this.#turn = 0
          this.#links[link]?.port.deliver(datagram)
        },
        lost: (why) => this.#lost(why),
      },
    }
  }

  #lost(why: string): void {
    const via = this.#carrier?.via ?? 'wss'
    this.#carrier = null
    this.#openedAt = null
    for (const state of this.#links) {
      state.open = false
      state.leavesAt = null
    }
    this.#options.listener.failed(via, why)
    this.#decide()
  }

  #tell(): void {
    const ways = this.ways
    if (ways.length === this.#told.length && ways.every((via, link) => via === this.#told[link])) return
    this.#told = ways
    this.#options.listener.ways(ways)
  }
}
