import type { types } from 'mediasoup'
import { CodedError } from '../common/errors.ts'
import type { RestartIceAnswer, WebRtcTransportInfo } from '../common/wire/web-rtc-shapes.ts'
import { ArrivalLife } from './arrival-life.ts'
import { workerLost } from './worker-loss.ts'
import type { WorkerSlot } from './worker-pool.ts'

/** A transport whose path is lost waits this long for another path, ms. */
export const PATH_WITHIN_MS = 15_000

/**
 * What shows that the path is there, and how long it may be missing, s. `consent`: checks of the other end, which browsers
 * repeat every 5 s (RFC 7675). `arrival`: anything that comes. The ICE of many WHIP and WHEP clients is older than
 * consent, as that of GStreamer and ffmpeg: they never check a path again that they have.
 */
export interface SignOfLife {
  readonly by: 'consent' | 'arrival'
  readonly withinS: number
}

/** Turns mediasoup's watch over consent off. */
const NO_CONSENT = 0

export interface WebRtcEndOptions {
  readonly slot: Pick<WorkerSlot, 'webRtcServer' | 'announced'>
  /** A router of that worker. */
  readonly router: types.Router
  /** Where the estimate of the link starts, kb/s; mediasoup's own start by default. */
  readonly startKbps?: number
  /** Without this the path is lost; consent within mediasoup's own time by default. */
  readonly signOfLife?: SignOfLife
  /** A lost path must come back within this time, ms; 15 000 by default. */
  readonly pathWithinMs?: number
}

/**
 * Tells others the address of now. mediasoup has the address that its server was made with, and copies it at each
 * reading; nothing but what others are told depends on it.
 */
function announceAt(address: string, transport: types.WebRtcTransport): void {
  const candidates = transport.iceCandidates.map((candidate) => ({ ...candidate, address }))
  Object.defineProperty(transport, 'iceCandidates', { get: () => structuredClone(candidates) })
}

/**
 * The hub's end of one WebRTC connection, of a viewer or a publisher. When its path is lost (no sign of life any more, or a
 * TCP connection closed) it waits for another one: by an ICE restart, or by checks from the client's new address.
 */
export class WebRtcEnd implements Disposable {
  readonly transport: types.WebRtcTransport
  readonly #pathWithinMs: number
  #onLost: ((reason: string) => void) | null = null
  #onPathLost: (() => void) | null = null
  readonly #life: ArrivalLife | null
  #waiting: NodeJS.Timeout | undefined
  #closed = false
  #workerDied = false

  private constructor(transport: types.WebRtcTransport, pathWithinMs: number, signOfLife?: SignOfLife) {
    this.transport = transport
    this.#pathWithinMs = pathWithinMs
    this.#life =
      signOfLife?.by === 'arrival'
        ? new ArrivalLife(transport, signOfLife.withinS * 1000, (alive) => {
            clearTimeout(this.#waiting)
            if (!alive) this.#pathLost()
          })
        : null
    transport.observer.once('close', () => {
      this.#workerDied = !this.#closed
      this.#lost('worker_lost')
    })
    transport.on('dtlsstatechange', (state) => {
      if (state === 'failed' || state === 'closed') this.#lost(`dtls_${state}`)
    })
    transport.on('icestatechange', (state) => {
      clearTimeout(this.#waiting)
      if (state === 'disconnected') this.#pathLost()
    })
  }

  /** Listens on the worker's WebRTC port, over UDP and TCP. */
  static async open({
    slot,
    router,
    startKbps,
    signOfLife,
    pathWithinMs = PATH_WITHIN_MS,
  }: WebRtcEndOptions): Promise<WebRtcEnd> {
    const transport = await router.createWebRtcTransport({
      webRtcServer: slot.webRtcServer,
      enableUdp: true,
      enableTcp: true,
      preferUdp: true,
      ...(startKbps !== undefined && { initialAvailableOutgoingBitrate: startKbps * 1000 }),
      ...(signOfLife && {
        iceConsentTimeout: signOfLife.by === 'consent' ? signOfLife.withinS : NO_CONSENT,
      }),
    })
    announceAt(slot.announced(), transport)
    return new WebRtcEnd(transport, pathWithinMs, signOfLife)
  }

  /** The name of the transport for the other end. */
  get id(): string {
    return this.transport.id
  }

  /** What the other end needs to build its side of the transport. */
  describe(): WebRtcTransportInfo {
    const { id, iceParameters, iceCandidates, dtlsParameters } = this.transport
    return {
      id,
      ice_parameters: { ...iceParameters },
      ice_candidates: iceCandidates.map((candidate) => ({ ...candidate })),
      dtls_parameters: { ...dtlsParameters },
    }
  }

  /** The error for a request after the transport has closed. @param otherwise the error where the worker did not die */
  gone(otherwise = new CodedError('gone', 'the transport was closed meanwhile')): CodedError {
    return this.#workerDied ? workerLost() : otherwise
  }

  /** @throws CodedError `gone` (410) when the transport is closed meanwhile, `no_worker` (503) when its worker dies */
  async connect(dtlsParameters: types.DtlsParameters): Promise<void> {
    await this.transport.connect({ dtlsParameters }).catch((error: unknown) => {
      throw this.#closed ? this.gone() : error
    })
  }

  /**
   * Takes new ICE credentials (RFC 8445 section 9). The former ones hold until the client uses the new ones, so media
   * goes on meanwhile.
   * @throws CodedError `gone` (410) when the transport is closed meanwhile, `no_worker` (503) when its worker dies
   */
  async restartIce(): Promise<RestartIceAnswer> {
    const parameters = await this.transport.restartIce().catch((error: unknown) => {
      throw this.#closed ? this.gone() : error
    })
    return { ice_parameters: { ...parameters } }
  }

  /** Calls `lost` whenever the path is lost, while another one may still come. */
  onPathLost(lost: () => void): void {
    this.#onPathLost = lost
  }

  /**
   * Calls `lost` once, when the transport is gone and its owner did not close it: the worker died, no path came
   * back, or DTLS failed for good. The transport is closed by then.
   */
  onLost(lost: (reason: string) => void): void {
    this.#onLost = lost
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearTimeout(this.#waiting)
    this.#life?.[Symbol.dispose]()
    this.transport.close()
  }

  #pathLost(): void {
    if (this.#closed) return
    this.#waiting = setTimeout(() => this.#lost('ice_disconnected'), this.#pathWithinMs).unref()
    this.#onPathLost?.()
  }

  #lost(reason: string): void {
    if (this.#closed) return
    this[Symbol.dispose]()
    this.#onLost?.(reason)
  }
}
