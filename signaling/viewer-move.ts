import type { types } from 'mediasoup'
import type { IceAccess } from '../common/wire/flow-contract.ts'
import type { JoinAnswer } from '../common/wire/viewer-protocol.ts'
import type { ViewerMoved } from '../sfu/media-events.ts'
import type { Place } from '../sfu/placement.ts'
import { type Receiver, Viewer, type ViewerListener } from '../sfu/viewer.ts'
import type { WatchedStream } from './watched-stream.ts'

/** A page without a picture on the second transport within this time stays on the first, ms. */
const READY_WITHIN_MS = 8_000
/** A page that is told to switch does so at once. A page that does not answer in this time counts as broken, ms. */
const SWITCH_WITHIN_MS = 3_000

/** What a move needs of its session. */
export interface MovingSession extends ViewerListener {
  readonly watched: readonly WatchedStream[]
  /** The relays for the second transport. */
  ice(): IceAccess
  request(method: 'move' | 'switch', data: JoinAnswer | { readonly transport_id: string }): Promise<unknown>
  /** The outcome of the move. */
  moved(move: Omit<ViewerMoved, 'from'>): void
}

/** The outcome of a move. `broken`: the page may have switched or not. */
export type MoveOutcome =
  | { readonly kind: 'moved'; readonly viewer: Viewer }
  | { readonly kind: 'stayed' | 'broken'; readonly reason: string }

/**
 * One viewer's move to another worker. A second transport is made there. When the page has decoded pictures of the
 * second transport, it is told to switch; after that the session closes the first transport. Until the page is told,
 * anything else that happens to the session ends the move, and nothing is lost by that.
 */
export class ViewerMove implements ViewerListener {
  readonly #session: MovingSession
  readonly #ended = Promise.withResolvers<never>()
  #viewer: Viewer | null = null
  #stage: 'preparing' | 'switching' | 'done' = 'preparing'

  constructor(session: MovingSession) {
    this.#session = session
    // Those who wait get the rejection.
    this.#ended.promise.catch(() => {})
  }

  get transportId(): string | null {
    return this.#viewer?.end.id ?? null
  }

  /** The page was told to switch, and has not answered yet. */
  get switching(): boolean {
    return this.#stage === 'switching'
  }

  /** Connects the page's second transport. */
  async connect(dtlsParameters: types.DtlsParameters): Promise<void> {
    await this.#viewer?.end.connect(dtlsParameters)
  }

  /** Never rejects. The second transport is closed, unless it became the viewer's. */
  async run(place: Place, startKbps: number, receiver: Receiver): Promise<MoveOutcome> {
    const begun = performance.now()
    const outcome = await this.#run(place, startKbps, receiver)
    this.#session.moved({
      outcome: outcome.kind,
      to: place.slot.index,
      tookMs: performance.now() - begun,
      ...(outcome.kind !== 'moved' && { reason: outcome.reason }),
    })
    return outcome
  }

  async #run(place: Place, startKbps: number, receiver: Receiver): Promise<MoveOutcome> {
    const session = this.#session
    const { watched } = session
    try {
      const viewer = await Viewer.openOn(place, startKbps, receiver, this)
      this.#viewer = viewer
      const streams: JoinAnswer['streams'] = []
      for (const each of watched) {
        streams.push(await each.moveTo(viewer))
        await this.#unlessEnded()
      }
      await this.#within(
        READY_WITHIN_MS,
        session.request('move', { transport: viewer.end.describe(), streams, ice: session.ice() }),
      )
      this.#stage = 'switching'
      await this.#within(SWITCH_WITHIN_MS, session.request('switch', { transport_id: viewer.end.id }))
      for (const each of watched) each.moved()
      this.#stage = 'done'
      return { kind: 'moved', viewer }
    } catch (error) {
      const kind = this.#stage === 'switching' ? 'broken' : 'stayed'
      this.#stage = 'done'
      for (const each of watched) each.stayed()
      this.#viewer?.[Symbol.dispose]()
      return { kind, reason: error instanceof Error ? error.message : String(error) }
    }
  }

  /** Ends the move, unless the page was told to switch. */
  end(reason: string): void {
    if (this.#stage === 'preparing') this.#ended.reject(new Error(reason))
  }

  pathLost(): void {
    if (this.#stage === 'done') this.#session.pathLost?.()
    else this.#ended.reject(new Error('the other transport lost its path'))
  }

  transportLost(reason: string): void {
    if (this.#stage === 'done') this.#session.transportLost(reason)
    else this.#ended.reject(new Error(`the other transport: ${reason}`))
  }

  mediaFailed(kind: 'consume' | 'media', error: unknown): void {
    this.#session.mediaFailed(kind, error)
  }

  /** Rejects if the move was ended meanwhile. */
  #unlessEnded(): Promise<void> {
    return Promise.race([this.#ended.promise, Promise.resolve()])
  }

  async #within(ms: number, answer: Promise<unknown>): Promise<void> {
    answer.catch(() => {})
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
    try {
      await Promise.race([this.#ended.promise, answer, late])
    } finally {
      clearTimeout(timer)
    }
  }
}
