import type { types } from 'mediasoup'
import { z } from 'zod'
import { rssMb } from '../process-usage.ts'
import type { FanoutViewers } from './fanout-viewers.ts'
import { PictureSource, RENDITION_KBPS } from './picture-source.ts'

const TRANSPORT_CC = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01'
const SEND_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time'

/** Start of estimates: enough for the top layer at once, on either side, kb/s. */
export const START_KBPS = 6000

/** One of the two compared sides: a worker with one stream, and a way for viewers to get onto it. */
export interface FanoutServer extends AsyncDisposable {
  readonly worker: types.Worker
  /** Where the stream's RTP goes; one encoding a rendition, ascending. */
  readonly input: { readonly ip: string; readonly port: number; readonly producer: types.Producer }
  addViewer(dtlsParameters: types.DtlsParameters): Promise<FanoutViewer>
}

export interface FanoutViewer {
  readonly ice: types.IceParameters
  readonly candidate: Pick<types.IceCandidate, 'ip' | 'port'>
  readonly video: types.RtpParameters
}

export type OpenServer = (rtpPort: number, renditions: number) => Promise<FanoutServer>

export interface Window {
  /** CPU of the worker for one packet to one viewer, microseconds. */
  readonly usPerPacket: number
  readonly rssMb: number
}

const encodings = z.array(z.object({ ssrc: z.number() })).min(1)

/** A server with its viewers, and the means to measure it. */
export class FanoutSide implements AsyncDisposable {
  readonly name: string
  readonly #server: FanoutServer
  readonly #source: PictureSource
  readonly #viewers: FanoutViewers
  readonly #count: number
  readonly #owned: AsyncDisposableStack

  private constructor(
    name: string,
    server: FanoutServer,
    source: PictureSource,
    viewers: FanoutViewers,
    count: number,
    owned: AsyncDisposableStack,
  ) {
    this.name = name
    this.#server = server
    this.#source = source
    this.#viewers = viewers
    this.#count = count
    this.#owned = owned
  }

  /** Opens the server, and makes `count` viewers watch. */
  static async open(
    name: string,
    openServer: OpenServer,
    { viewers, count, renditions }: { viewers: FanoutViewers; count: number; renditions: number },
  ): Promise<FanoutSide> {
    await using stack = new AsyncDisposableStack()
    const source = stack.use(await PictureSource.open())
    const server = stack.use(await openServer(source.port, renditions))
    const { producer, ip, port } = server.input
    const ssrcs = encodings.parse(producer.rtpParameters.encodings).map(({ ssrc }) => ssrc)
    const [{ payloadType }] = producer.rtpParameters.codecs as [types.RtpCodecParameters]
    const kbps = [RENDITION_KBPS.low, RENDITION_KBPS.top].slice(-renditions)
    source.feed(
      { ip, port },
      ssrcs.map((ssrc, index) => ({ ssrc, payloadType, kbps: kbps[index]! })),
    )
    for (let index = 0; index < count; index += 1) {
      const { ice, candidate, video } = await server.addViewer(viewers.dtlsParameters)
      const idOf = (wanted: string) => video.headerExtensions?.find(({ uri }) => uri === wanted)?.id
      const [sequenceId, sendTimeId] = [idOf(TRANSPORT_CC), idOf(SEND_TIME)]
      const [{ ssrc }] = encodings.parse(video.encodings) as [{ ssrc: number }]
      await viewers.watch({
        group: name,
        ip: candidate.ip,
        port: candidate.port,
        ice: { usernameFragment: ice.usernameFragment, password: ice.password },
        feedback:
          sequenceId !== undefined && sendTimeId !== undefined ? { sequenceId, sendTimeId, ssrc } : null,
      })
    }
    return new FanoutSide(name, server, source, viewers, count, stack.move())
  }

  /** Runs the stream for this time, of which the first part is not measured, ms. */
  async measure(
    settleMs: number,
    windowMs: number,
    pause: (ms: number) => Promise<unknown>,
  ): Promise<Window> {
    this.#source.playing = true
    await pause(settleMs)
    const [cpuBefore, before, sentBefore] = [
      await this.#cpuMs(),
      await this.#received(),
      this.#source.topSent,
    ]
    await pause(windowMs)
    const [sent, cpuMs, after] = [this.#source.topSent, await this.#cpuMs(), await this.#received()]
    this.#source.playing = false
    const [packets, expected] = [after - before, (sent - sentBefore) * this.#count]
    if (packets < expected * 0.97)
      throw new Error(`${this.name}: viewers got ${packets} of ${expected} packets of the top layer`)
    return { usPerPacket: ((cpuMs - cpuBefore) * 1000) / packets, rssMb: rssMb(this.#server.worker.pid) }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync()
  }

  async #cpuMs(): Promise<number> {
    const { ru_utime, ru_stime } = await this.#server.worker.getResourceUsage()
    return ru_utime + ru_stime
  }

  #received(): Promise<number> {
    return this.#viewers.count(this.name)
  }
}
