import type { types } from 'mediasoup'
import { CodedError } from '../common/errors.ts'
import type { WebRtcTransportInfo } from '../common/wire/web-rtc-shapes.ts'
import { workerLost } from './worker-loss.ts'
import type { WorkerSlot } from './worker-pool.ts'

export interface WebRtcEndOptions {
  readonly slot: Pick<WorkerSlot, 'webRtcServer' | 'announced'>
  /** A router of that worker. */
  readonly router: types.Router
  /** Where the estimate of the link starts, kb/s; mediasoup's own start by default. */
  readonly startKbps?: number
  /** Without consent to send the transport is lost after this time, s (RFC 7675); mediasoup's own time by default. */
  readonly consentWithinS?: number
}

/** The hub's end of one WebRTC connection, of a viewer or a publisher. */
export class WebRtcEnd implements Disposable {
  readonly transport: types.WebRtcTransport
  #onLost: ((reason: string) => void) | null = null
  #closed = false
  #workerDied = false

  private constructor(transport: types.WebRtcTransport) {
    this.transport = transport
    transport.observer.once('close', () => {
      this.#workerDied = !this.#closed
      this.#lost('worker_lost')
    })
    transport.on('dtlsstatechange', (state) => {
      if (state === 'failed' || state === 'closed') this.#lost(`dtls_${state}`)
    })
    transport.on('icestatechange', (state) => {
      if (state === 'disconnected') this.#lost('ice_disconnected')
    })
  }

  /** Listens on the worker's WebRTC port, over UDP and TCP. */
  static async open({ slot, router, startKbps, consentWithinS }: WebRtcEndOptions): Promise<WebRtcEnd> {
    const transport = await router.createWebRtcTransport({
      webRtcServer: slot.webRtcServer,
      enableUdp: true,
      enableTcp: true,
      preferUdp: true,
      ...(startKbps !== undefined && { initialAvailableOutgoingBitrate: startKbps * 1000 }),
      ...(consentWithinS !== undefined && { iceConsentTimeout: consentWithinS }),
    })
    // The server was told an address once, when it was made. Candidates are only what others are told.
    for (const candidate of transport.iceCandidates) candidate.address = slot.announced()
    return new WebRtcEnd(transport)
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
   * Calls `lost` once, when the transport is gone and its owner did not close it: the worker died, or ICE consent or
   * DTLS failed for good. The transport is closed by then.
   */
  onLost(lost: (reason: string) => void): void {
    this.#onLost = lost
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.transport.close()
  }

  #lost(reason: string): void {
    if (this.#closed) return
    this[Symbol.dispose]()
    this.#onLost?.(reason)
  }
}
