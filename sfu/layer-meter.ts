import type { types } from 'mediasoup'
import type { LayerStep, PictureSize } from '../policy/viewed-stream.ts'

/** Time between two looks at the bitrates of a producer's layers, ms. mediasoup's own window is 2.5 s. */
const EVERY_MS = 1_000

/** `L3T2`, `S2T1`: spatial and temporal layers of one encoding (W3C webrtc-svc). */
const SCALABILITY = /^[LS](\d)T(\d)/

/** Number of layers in the video of a producer or consumer. */
export function layersOf(encodings: readonly types.RtpEncodingParameters[] | undefined): {
  readonly spatial: number
  readonly temporal: number
} {
  const [, spatial = '1', temporal = '1'] = SCALABILITY.exec(encodings?.[0]?.scalabilityMode ?? '') ?? []
  return { spatial: Math.max(Number(spatial), encodings?.length ?? 1), temporal: Number(temporal) }
}

/**
 * The bitrate of each layer of a stream's video, measured once a second for all viewers, and only while there are any.
 */
export class LayerMeter implements Disposable {
  readonly #producers: () => readonly types.Producer[]
  readonly #pictures: () => readonly PictureSize[]
  readonly #listeners = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined
  #producer: types.Producer | undefined
  #steps: readonly LayerStep[] = []

  /** @param pictures sizes by spatial layer, ascending; empty where nobody reported them */
  constructor(producers: () => readonly types.Producer[], pictures: () => readonly PictureSize[]) {
    this.#producers = producers
    this.#pictures = pictures
  }

  /** The layers of the present video, with their latest bitrates. */
  get steps(): readonly LayerStep[] {
    this.#follow()
    return this.#steps
  }

  /** Measures from now on, and calls `measured` after each look. Call the returned function to stop. */
  watch(measured: () => void): () => void {
    this.#listeners.add(measured)
    this.#timer ??= setInterval(() => void this.#measure(), EVERY_MS).unref()
    return () => {
      this.#listeners.delete(measured)
      if (this.#listeners.size === 0) this[Symbol.dispose]()
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #follow(): types.Producer | undefined {
    const producer = this.#producers().find(({ kind }) => kind === 'video')
    if (producer === this.#producer) return producer
    this.#producer = producer
    this.#steps = producer ? this.#stepsOf(producer, () => null) : []
    return producer
  }

  async #measure(): Promise<void> {
    const producer = this.#follow()
    // A producer that closed meanwhile is followed by another one, or by none.
    const stats = await producer?.getStats().catch(() => undefined)
    if (!producer || !stats || producer !== this.#producer) return
    const { encodings } = producer.rtpParameters
    this.#steps = this.#stepsOf(producer, (spatial, temporal) => {
      const encoding = encodings?.[spatial]
      const simulcast = (encodings?.length ?? 1) > 1
      const stat = simulcast
        ? stats.find(({ rid, ssrc }) => (rid === undefined ? ssrc === encoding?.ssrc : rid === encoding?.rid))
        : stats[0]
      const bps = stat?.bitrateByLayer[`${simulcast ? 0 : spatial}.${temporal}`] ?? stat?.bitrate ?? 0
      return bps > 0 ? bps / 1000 : null
    })
    for (const measured of this.#listeners) measured()
  }

  #stepsOf(
    producer: types.Producer,
    kbps: (spatial: number, temporal: number) => number | null,
  ): LayerStep[] {
    const { spatial, temporal } = layersOf(producer.rtpParameters.encodings)
    const pictures = this.#pictures()
    return Array.from({ length: spatial * temporal }, (_, index) => {
      const layer = Math.floor(index / temporal)
      return {
        spatial: layer,
        temporal: index % temporal,
        kbps: kbps(layer, index % temporal),
        picture: pictures[layer] ?? null,
      }
    })
  }
}
