import { type ResumeAnswer, resumeAnswer, type WatchedStream } from '../../common/wire/viewer-protocol.ts'
import { type RestartReason, restartIceAnswer } from '../../common/wire/web-rtc-shapes.ts'
import type { HubConnection } from './hub-connection.ts'
import { HubProbe } from './hub-probe.ts'
import type { MediaTransport } from './media-transport.ts'
import { NetworkWatch } from './network-watch.ts'
import { type Attempt, PathRecovery } from './path-recovery.ts'
import { PathWatch } from './path-watch.ts'

/** How long a new connection may take, by the number of the attempt, ms. */
const CONNECTS_WITHIN_MS = [1_500, 2_500, 5_000] as const

/** What the page says while nothing arrives, where the reason for a restart is also a reason not to see pictures. */
const LOST: Partial<Record<RestartReason, string>> = {
  silence: 'nothing arrives over this network',
  disconnected: 'the media connection lost its path',
  woke: 'this machine slept',
}

/** A page's viewing: one connection to the hub, and one transport. */
export interface RoamingViewing {
  readonly hub: HubConnection
  readonly transport: MediaTransport | null
  /** A ticket by which something is watched on the transport. */
  readonly ticket: string | null
  /** Whether any media must arrive now. */
  readonly expects: boolean
  /** When the last picture or sound came, by the browser's clock, ms; null where that is unknown. */
  readonly shownAt: number | null
  /** Opens another connection; `welcome` resolves with the hub's first message on it. */
  connect(): { readonly hub: HubConnection; readonly welcome: Promise<unknown> }
  /** Another connection has taken over. These streams go on. */
  resumed(hub: HubConnection, streams: readonly WatchedStream[]): Promise<void>
  /** Nothing arrives, with the reason; null once it does again. */
  pathIs(lost: string | null): void
  /** The transport will not deliver any more. */
  failed(reason: string): void
}

/**
 * Keeps a viewing alive over changes of the network: restarts ICE, over the present connection to the hub or over
 * another one that takes the viewing over. Transport and consumers stay.
 */
export class Roaming {
  readonly #viewing: RoamingViewing
  readonly #network = new NetworkWatch((reason) => this.lost(reason))
  readonly #watch: PathWatch
  readonly #recovery: PathRecovery
  readonly #probe = new HubProbe()
  #restarts = 0

  constructor(viewing: RoamingViewing) {
    this.#viewing = viewing
    this.#watch = new PathWatch({
      // The first picture may take its time.
      get expects() {
        return viewing.expects && viewing.shownAt !== null
      },
      get shown() {
        return viewing.shownAt
      },
      arrived: () => this.#bytes(),
      suspected: () => this.#probe.ask(viewing.hub),
      silent: () => this.lost('silence'),
    })
    this.#recovery = new PathRecovery({
      attempt: (restart, number) => this.#attempt(restart, number),
      arrived: async () => (viewing.expects ? this.#bytes() : null),
      get connected() {
        return viewing.transport?.connected ?? false
      },
      recovered: () => viewing.pathIs(null),
      failed: (reason) => viewing.failed(reason),
    })
  }

  /** ICE restarts so far. */
  get restarts(): number {
    return this.#restarts
  }

  /** Whether the path or the connection is being brought back. */
  get recovering(): boolean {
    return this.#recovery.running
  }

  /** Resolves when nothing is being brought back. Never rejects. */
  get settled(): Promise<void> {
    return this.#recovery.done
  }

  /** The path is lost or probably another one; with null only the connection to the hub is lost. */
  lost(reason: RestartReason | null): void {
    if (this.#viewing.transport === null) return
    const why = reason === null ? undefined : LOST[reason]
    if (why !== undefined) this.#viewing.pathIs(why)
    this.#recovery.begin(reason)
  }

  close(): void {
    this.#network.close()
    this.#watch.close()
    this.#recovery.close()
  }

  async #bytes(): Promise<number> {
    return this.#viewing.transport?.arrivedBytes() ?? 0
  }

  async #attempt(restart: RestartReason | null, number: number): Promise<Attempt> {
    const { hub, transport } = this.#viewing
    if (transport === null) return 'done'
    const outcome = await this.#restartOver(hub, transport, restart, number)
    // The hub has asked the page to join again meanwhile, and the page has.
    return transport === this.#viewing.transport ? outcome : 'done'
  }

  async #restartOver(
    hub: HubConnection,
    transport: MediaTransport,
    restart: RestartReason | null,
    number: number,
  ): Promise<Attempt> {
    if (hub.over) return this.#resume(transport, restart, number, new Promise(() => {}))
    if (restart === null) return 'done'
    const answered = this.#ask(hub, transport, restart)
    const patienceMs = this.#probe.patienceWith(hub)
    const first = await Promise.race([answered, after(patienceMs, 'unreachable' as const)])
    if (first !== 'unreachable') return first
    return this.#resume(transport, restart, number, answered)
  }

  async #ask(hub: HubConnection, transport: MediaTransport, reason: RestartReason): Promise<Attempt> {
    try {
      const answer = await hub.request('restart-ice', { transport_id: transport.id, reason })
      await this.#restart(transport, restartIceAnswer.parse(answer))
      return 'done'
    } catch {
      // A hub that refuses is there: it has no such transport.
      return hub.over ? 'unreachable' : 'gone'
    }
  }

  /** @param answered the present connection's answer, which may come after all */
  async #resume(
    transport: MediaTransport,
    restart: RestartReason | null,
    number: number,
    answered: Promise<Attempt>,
  ): Promise<Attempt> {
    const { ticket } = this.#viewing
    if (ticket === null) return 'gone'
    const { hub, welcome } = this.#viewing.connect()
    const withinMs = CONNECTS_WITHIN_MS[Math.min(number, CONNECTS_WITHIN_MS.length - 1)]!
    const first = await Promise.race([
      welcome.then(
        () => 'welcome' as const,
        () => 'unreachable' as const,
      ),
      answered.then((outcome) => (outcome === 'unreachable' ? new Promise<never>(() => {}) : outcome)),
      after(withinMs, 'unreachable' as const),
    ])
    if (first !== 'welcome') {
      hub.close('another connection was quicker')
      return first
    }
    try {
      const request = { transport_id: transport.id, ticket, ...(restart !== null && { restart }) }
      const answer: ResumeAnswer = resumeAnswer.parse(await hub.request('resume', request))
      const restarting = answer.restarted ? this.#restart(transport, answer.restarted) : null
      await Promise.all([restarting, this.#viewing.resumed(hub, answer.streams)])
      return 'done'
    } catch {
      const outcome = hub.over ? 'unreachable' : 'gone'
      hub.close('the viewing could not be resumed')
      return outcome
    }
  }

  async #restart(
    transport: MediaTransport,
    answer: Parameters<MediaTransport['restartIce']>[0],
  ): Promise<void> {
    this.#restarts++
    await transport.restartIce(answer)
  }
}

function after<Value>(ms: number, value: Value): Promise<Value> {
  return new Promise((resolve) => setTimeout(resolve, ms, value))
}
