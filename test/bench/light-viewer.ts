import { createSocket, type Socket } from 'node:dgram'
import { z } from 'zod'
import { ControlConnection } from '../../agent/node/control-connection.ts'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { hubNotifications, joinAnswer, type ViewerRequests } from '../../common/wire/viewer-protocol.ts'
import { askHub } from '../../signaling/client/hub-request.ts'
import { iceCandidates, iceParameters } from '../../signaling/client/mediasoup-shapes.ts'
import type { DtlsClients, DtlsHandshake } from '../support/dtls-client.ts'
import { bindingRequest, type IceCredentials } from '../support/stun-binding.ts'

/** How often to ask an unanswered candidate again, ms. */
const ASK_AGAIN_MS = 50

const encodings = z.object({ encodings: z.array(z.object({ ssrc: z.number() })).min(1) })
const capabilities = z.object({
  codecs: z.array(
    z.looseObject({ kind: z.enum(['audio', 'video']), mimeType: z.string(), clockRate: z.number() }),
  ),
})

export interface LightViewerOptions {
  readonly hubUrl: string
  readonly streamId: string
  readonly dtls: DtlsClients
}

/**
 * A viewer that does everything that a browser does until the first picture is complete, and nothing else: contract,
 * protoo, ICE, DTLS, and RTP headers. SRTP leaves these in the clear, so nothing is decrypted or decoded.
 */
export class LightViewer implements Disposable {
  readonly #socket: Socket
  readonly #control: ControlConnection
  readonly #video: number
  readonly #first = Promise.withResolvers<void>()
  readonly #stop = new AbortController()
  #handshake: DtlsHandshake | null = null
  #timestamp: number | null = null
  #dtls: DtlsClients

  private constructor(socket: Socket, control: ControlConnection, video: number, dtls: DtlsClients) {
    this.#socket = socket
    this.#control = control
    this.#video = video
    this.#dtls = dtls
  }

  /** Resolves when the connection is under way. `picture` resolves when the first picture is complete. */
  static async join({ hubUrl, streamId, dtls }: LightViewerOptions): Promise<LightViewer> {
    const asked = { hubUrl, path: '/v1/subscribe', token: null, body: { stream_id: streamId } }
    const { join } = await askHub(asked, subscribeAnswerSchema)
    const welcome = Promise.withResolvers<unknown>()
    using half = new DisposableStack()
    const opened = await ControlConnection.open(
      new URL(join.webrtc.protoo_url, hubUrl).href.replace(/^http/, 'ws'),
      {
        notified: (method, data) => {
          if (method === 'welcome') welcome.resolve(data)
        },
        signal: AbortSignal.timeout(10_000),
      },
    )
    const control = half.use(opened)
    const { router_rtp_capabilities } = hubNotifications.welcome.parse(await welcome.promise)
    const { codecs } = capabilities.parse(router_rtp_capabilities)
    const request: ViewerRequests['join'] = {
      ticket: join.webrtc.ticket,
      rtp_capabilities: { codecs: codecs.filter(({ mimeType }) => !mimeType.endsWith('/rtx')) },
    }
    const answer = joinAnswer.parse(await control.request('join', request))
    const { transport, streams } = answer
    const video = streams[0]!.consumers.find(({ kind }) => kind === 'video')
    if (!video) throw new Error('there is no picture')
    const { ssrc } = encodings.parse(video.rtp_parameters).encodings[0]!
    const viewer = half.use(new LightViewer(createSocket('udp4'), control, ssrc, dtls))
    const candidate = iceCandidates
      .parse(transport.ice_candidates)
      .find(({ protocol }) => protocol === 'udp')!
    viewer.#connect(iceParameters.parse(transport.ice_parameters), candidate.port)
    await control.request('connect-transport', {
      transport_id: transport.id,
      dtls_parameters: {
        role: 'client',
        fingerprints: [{ algorithm: 'sha-256', value: dtls.fingerprint }],
      },
    } satisfies ViewerRequests['connect-transport'])
    half.move()
    return viewer
  }

  /** Resolves when the first picture is whole. */
  get picture(): Promise<void> {
    return this.#first.promise
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
    this.#handshake?.[Symbol.dispose]()
    this.#socket.close()
    this.#control[Symbol.dispose]()
  }

  #connect(ice: IceCredentials, port: number): void {
    const ask = () => this.#socket.send(bindingRequest(ice), port, '127.0.0.1', () => {})
    const asking = setInterval(ask, ASK_AGAIN_MS)
    this.#stop.signal.addEventListener('abort', () => clearInterval(asking))
    this.#socket.on('message', (datagram) => {
      const [first] = datagram
      // RFC 7983: the first byte tells STUN, DTLS and RTP apart.
      if (first! < 4) {
        clearInterval(asking)
        this.#handshake ??= this.#dtls.connect((flight) =>
          this.#socket.send(flight, port, '127.0.0.1', () => {}),
        )
      } else if (first! >= 20 && first! < 64) this.#handshake?.receive(datagram)
      else if (first! >= 128) this.#onRtp(datagram)
    })
    ask()
  }

  /**
   * A worker sends a new viewer nothing before an IDR, so the first picture is an IDR. Its last packet has the marker.
   */
  #onRtp(packet: Buffer): void {
    if (packet.length < 12 || packet.readUInt32BE(8) !== this.#video) return
    const timestamp = packet.readUInt32BE(4)
    this.#timestamp ??= timestamp
    if (timestamp === this.#timestamp && (packet[1]! & 0x80) !== 0) this.#first.resolve()
  }
}
