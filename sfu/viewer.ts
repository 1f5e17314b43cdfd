import type { types } from 'mediasoup'
import type { ViewerMediaStatistics } from '../common/wire/statistics-api.ts'
import type { PileUp } from '../policy/link/queue.ts'
import type { DeliveryReport } from '../policy/link/reported-bandwidth.ts'
import { BandwidthManager } from './bandwidth-manager.ts'
import { Estimation } from './estimation.ts'
import { viewerStatistics } from './media-statistics.ts'
import type { Place } from './placement.ts'
import type { Stream } from './stream.ts'
import { ViewedMedia, type ViewingClient, type ViewingTerms } from './viewed-media.ts'
import { type SignOfLife, WebRtcEnd } from './web-rtc-end.ts'
import type { WorkerSlot } from './worker-pool.ts'

/** What a viewer's transport does by itself: facts for the room that signals to the browser. */
export interface ViewerListener {
  /** The path to the receiver is lost. The transport waits for another path. */
  pathLost?(): void
  /** The worker died under the transport, no path came back, or DTLS failed for good. */
  transportLost(reason: string): void
  /** An operation on the media failed and was contained. After a failed `consume` the viewer lacks the new media. */
  mediaFailed(kind: 'consume' | 'media', error: unknown): void
}

/** How one receiver takes its media. */
export interface Receiver {
  readonly capabilities: types.RtpCapabilities
  /** The router that sends the receiver's media, on the receiver's worker; by default the worker's own router. */
  readonly routerOn?: (slot: WorkerSlot) => Promise<types.Router>
  /** The kinds of media that the receiver takes; both by default. */
  readonly kinds?: readonly types.MediaKind[]
  /** The mid for the packets of each kind, where the receiver named one. */
  readonly mids?: Readonly<Partial<Record<types.MediaKind, string>>>
  /** Without this its path is lost; consent within mediasoup's own time by default. */
  readonly signOfLife?: SignOfLife
}

/**
 * One browser's media on one worker: a WebRTC transport, its streams, and the manager that shares its bandwidth over
 * them. Closing it closes all of these. When the worker or the transport dies, the listener hears of it once and makes
 * another viewer.
 */
export class Viewer implements Disposable {
  readonly #place: Place
  readonly #router: types.Router
  readonly end: WebRtcEnd
  readonly #receiver: Receiver
  readonly #listener: ViewerListener
  readonly #bandwidth: BandwidthManager<ViewedMedia>
  readonly #estimation: Estimation
  readonly #media = new Set<ViewedMedia>()

  private constructor(
    place: Place,
    router: types.Router,
    end: WebRtcEnd,
    startKbps: number,
    receiver: Receiver,
    listener: ViewerListener,
  ) {
    this.#place = place
    this.#router = router
    this.end = end
    this.#receiver = receiver
    this.#listener = listener
    this.#estimation = new Estimation(receiver.capabilities, () => {
      this.#bandwidth.estimates()
      for (const media of this.#media) media.joinEstimate()
    })
    this.#bandwidth = new BandwidthManager(
      end.transport,
      startKbps,
      () => [...this.#media],
      (error) => listener.mediaFailed('media', error),
    )
    end.onPathLost(() => listener.pathLost?.())
    end.onLost((reason) => {
      this.#release()
      listener.transportLost(reason)
    })
  }

  /**
   * Makes the transport on a worker with room, near the stream's producers. Its estimate starts at `startKbps`.
   * @throws CodedError `no_worker` (503) while a worker with room is away, `saturated` (503) when all are full
   */
  static async open(
    stream: Stream,
    startKbps: number,
    receiver: Receiver,
    listener: ViewerListener,
  ): Promise<Viewer> {
    for (;;) {
      const place = stream.takeViewerPlace()
      try {
        return await Viewer.openOn(place, startKbps, receiver, listener)
      } catch (error) {
        // The worker died meanwhile. Another worker may have room.
        if (!place.slot.worker.closed) throw error
      }
    }
  }

  /** Makes the transport on a taken place. If that fails, the place is given back. */
  static async openOn(
    place: Place,
    startKbps: number,
    receiver: Receiver,
    listener: ViewerListener,
  ): Promise<Viewer> {
    try {
      const router = (await receiver.routerOn?.(place.slot)) ?? place.slot.router
      const { signOfLife } = receiver
      const end = await WebRtcEnd.open({
        slot: place.slot,
        router,
        startKbps,
        ...(signOfLife && { signOfLife }),
      })
      return new Viewer(place, router, end, startKbps, receiver, listener)
    } catch (error) {
      place[Symbol.dispose]()
      throw error
    }
  }

  get slot(): WorkerSlot {
    return this.#place.slot
  }

  /** Carries one more stream, of any worker. `consume` on the returned media begins. */
  add(stream: Stream, terms: ViewingTerms, client: ViewingClient): ViewedMedia {
    const media = new ViewedMedia({
      stream,
      terms,
      client,
      transport: this.end.transport,
      router: this.#router,
      estimation: this.#estimation,
      kinds: this.#receiver.kinds,
      mids: this.#receiver.mids,
      failed: (kind, error) => this.#listener.mediaFailed(kind, error),
      changed: this.#bandwidth.changed,
    })
    this.#media.add(media)
    return media
  }

  /** Statistics of one of the viewer's streams. */
  statistics({ consumers }: ViewedMedia): Promise<ViewerMediaStatistics> {
    return viewerStatistics(this.slot, this.end.transport, consumers)
  }

  remove(media: ViewedMedia): void {
    media[Symbol.dispose]()
    if (this.#media.delete(media)) this.#bandwidth.changed()
  }

  /**
   * The contracts have changed. The estimate stays below the sum of their ceilings. Each stream's floor is served
   * first. The estimate is not held up to the floors, which would only flood a link that carries less.
   */
  bound(): void {
    this.#bandwidth.changed()
  }

  /** The receiver reported how the pictures of the last `passedMs` arrived, where the worker can't estimate. */
  delivered(report: DeliveryReport, passedMs: number): void {
    this.#bandwidth.tell({ kind: 'delivered', report, passedMs })
  }

  /** Bitrate of the pictures that are sent to the viewer, kb/s. */
  get videoKbps(): number {
    return this.#bandwidth.picturesKbps
  }

  /** The bitrate that would let the viewer have its next layer, kb/s of pictures; null while it has what it wants. */
  get goalKbps(): number | null {
    return this.#bandwidth.goalKbps
  }

  /** Pictures pile up in front of the browser's link. */
  congested(seen: PileUp): void {
    this.#bandwidth.tell({ kind: 'piled_up', ...seen })
  }

  /** The browser's page reports what it sees. */
  reported(): void {
    this.#bandwidth.tell({ kind: 'heard' })
  }

  [Symbol.dispose](): void {
    this.end[Symbol.dispose]()
    this.#release()
  }

  #release(): void {
    this.#place[Symbol.dispose]()
    this.#bandwidth[Symbol.dispose]()
    for (const media of this.#media) media[Symbol.dispose]()
    this.#media.clear()
  }
}
