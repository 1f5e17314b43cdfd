import { channel } from 'node:diagnostics_channel'
import type { types } from 'mediasoup'
import { z } from 'zod'
import { freshLink, type LinkState, linkStep } from '../policy/link/link-state.ts'
import type { GivenShare, LinkAction, LinkFact, LinkSeen, LinkStream } from '../policy/link/link-terms.ts'
import { picturesKbps } from '../policy/link/sent.ts'
import { TransportBounds } from './transport-bounds.ts'

/** One of the streams that share a link. */
export interface LinkedStream {
  /** How the stream looks now, as the policy sees it. */
  facts(id: string): LinkStream
  take(share: GivenShare, priority: number): void
  /** A queue in front of the link drains in `drainingMs` if nothing more is sent. */
  cut(drainingMs: number): void
}

/** One step of one link, as {@link LINK_STEPS} tells it. */
export interface LinkRecord {
  readonly link: object
  readonly fact: LinkFact
  readonly seen: LinkSeen
  readonly state: LinkState
  readonly actions: readonly LinkAction[]
}

/** Tells every step of every link as a {@link LinkRecord}, while anybody in this process listens. */
export const LINK_STEPS = channel('lanecast:link-steps')

/** What mediasoup's `bwe` trace tells, bits per second. */
const bweInfo = z.object({ availableBitrate: z.number(), maxBitrate: z.number() })

/**
 * Shares one viewer's bandwidth over its streams. It decides nothing: it tells `policy/link/link-state.ts` what happens
 * to the link, and does what that answers. The worker itself moves below the layers that are decided here as its
 * estimate falls.
 */
export class BandwidthManager<Stream extends LinkedStream> implements Disposable {
  readonly #transport: types.WebRtcTransport
  readonly #streams: () => readonly Stream[]
  readonly #bounds: TransportBounds
  readonly #failed: (error: unknown) => void
  readonly #ids = new WeakMap<Stream, string>()
  #idsGiven = 0
  #state: LinkState
  #estimates = false
  #planned = false
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /** @param startKbps where an estimate from the receiver's reports begins */
  constructor(
    transport: types.WebRtcTransport,
    startKbps: number,
    streams: () => readonly Stream[],
    failed: (error: unknown) => void,
  ) {
    this.#transport = transport
    this.#state = freshLink(startKbps)
    this.#streams = streams
    this.#failed = failed
    this.#bounds = new TransportBounds(transport, failed)
    transport.on('trace', ({ type, info }) => {
      const told = type === 'bwe' ? bweInfo.safeParse(info).data : undefined
      if (told)
        this.tell({
          kind: 'estimated',
          availableKbps: told.availableBitrate / 1000,
          limitKbps: told.maxBitrate / 1000,
        })
    })
  }

  /** What must be found to fit before the next step up, kb/s of pictures; null while no stream goes short. */
  get goalKbps(): number | null {
    return this.#state.goalKbps
  }

  /** What is sent of pictures now, kb/s. */
  get picturesKbps(): number {
    return picturesKbps(this.#state.streams, this.#facts())
  }

  /** The worker estimates this link from now on. */
  estimates(): void {
    this.#estimates = true
    this.#transport.enableTraceEvent(['bwe']).catch((error) => {
      if (!this.#closed && !this.#transport.closed) this.#failed(error)
    })
  }

  /** Decides anew, soon: several facts that change at once make one decision. */
  readonly changed = (): void => {
    if (this.#planned || this.#closed) return
    this.#planned = true
    setImmediate(() => {
      this.#planned = false
      this.tell({ kind: 'changed' })
    })
  }

  /** Something happened to the link: decides at once. */
  tell(fact: LinkFact): void {
    if (this.#closed) return
    const connected = this.#transport.dtlsState === 'connected'
    const seen = { nowMs: performance.now(), connected, estimates: this.#estimates, streams: this.#facts() }
    const { state, actions } = linkStep(this.#state, fact, seen)
    this.#state = state
    if (LINK_STEPS.hasSubscribers)
      LINK_STEPS.publish({ link: this, fact, seen, state, actions } satisfies LinkRecord)
    const streams = new Map(this.#streams().map((stream) => [this.#idOf(stream), stream]))
    for (const action of actions) if (!this.#closed) this.#act(action, streams)
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #act(action: LinkAction, streams: ReadonlyMap<string, Stream>): void {
    switch (action.do) {
      case 'ceiling':
        this.#bounds.ceilingKbps = action.kbps
        break
      case 'keep':
        this.#bounds.keep(action.kbps)
        break
      case 'pin':
        this.#bounds.pin(action.minKbps, action.maxKbps)
        break
      case 'probe':
        this.#bounds.probe(action.goalKbps, action.estimateKbps)
        break
      case 'open':
        this.#bounds.open()
        break
      case 'take':
        streams.get(action.id)?.take(action.share, action.priority)
        break
      case 'cut':
        streams.get(action.id)?.cut(action.drainingMs)
        break
      case 'look':
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.tell({ kind: 'changed' }), action.afterMs).unref()
    }
  }

  #facts(): LinkStream[] {
    return this.#streams().map((stream) => stream.facts(this.#idOf(stream)))
  }

  /** Among equals the stream that came first is served first. */
  #idOf(stream: Stream): string {
    const id = this.#ids.get(stream) ?? String(++this.#idsGiven).padStart(6, '0')
    this.#ids.set(stream, id)
    return id
  }
}
