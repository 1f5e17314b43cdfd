import type { RTCPeerConnection, RtpPacket } from 'werift'
import { z } from 'zod'
import { type SubscribeAnswer, subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import type { StreamState } from '../../common/wire/stream.ts'
import {
  type ConsumerInfo,
  type HubNotifications,
  type JoinAnswer,
  joinAnswer,
  resumeAnswer,
} from '../../common/wire/viewer-protocol.ts'
import {
  type RestartIceAnswer,
  type RestartReason,
  restartIceAnswer,
  type WebRtcTransportInfo,
} from '../../common/wire/web-rtc-shapes.ts'
import { HubConnection, type HubHandlers } from '../../signaling/client/hub-connection.ts'
import { askHub } from '../../signaling/client/hub-request.ts'
import type { Closing } from '../../signaling/client/hub-socket.ts'
import { until } from './until.ts'
import { offerOf } from './werift-offer.ts'
import { checkAgain, newWeriftPeer, pathOf, type WeriftPath, type WeriftWays } from './werift-peer.ts'

/** Packets kept per consumer; the oldest go first. */
const MAX_PACKETS = 30_000
/** A hub whose worker has just died may refuse to be joined for a moment. */
const JOIN_AGAIN_MS = 50

/** One RTP packet as it came out of SRTP. */
export interface ReceivedPacket {
  readonly ssrc: number
  readonly sequence: number
  readonly timestamp: number
  readonly marker: boolean
  readonly payload: Buffer
  /** Header extensions' bytes by id (RFC 8285). */
  readonly extensions: ReadonlyMap<number, Buffer>
  /** `performance.now()` when it arrived. */
  readonly at: number
}

/** One consumer of the lane, as the viewer was told of it. */
export interface ReceivedTrack {
  readonly consumerId: string
  readonly producerId: string
  readonly kind: 'audio' | 'video'
  readonly ssrc: number
  readonly packets: ReceivedPacket[]
  /** Header extension ids by URI. */
  readonly extensionIds: ReadonlyMap<string, number>
  /** The hub said that it is gone, or its transport is. */
  closed: boolean
}

/** One WebSocket, and the hub's first message on it. */
interface Line {
  readonly connection: HubConnection
  readonly welcome: Promise<HubNotifications['welcome']>
}

export interface Noted<T> {
  readonly at: number
  readonly value: T
}

const rtpParameters = z.object({
  encodings: z.array(z.object({ ssrc: z.number() })).min(1),
  headerExtensions: z.array(z.object({ uri: z.string(), id: z.number() })),
})
const offeredCapabilities = z.object({
  codecs: z.array(
    z.looseObject({ kind: z.enum(['audio', 'video']), mimeType: z.string(), clockRate: z.number() }),
  ),
  headerExtensions: z.array(
    z.looseObject({ kind: z.enum(['audio', 'video']), uri: z.string(), preferredId: z.number() }),
  ),
})

export interface WeriftViewerOptions {
  /** Bearer token; without one the viewer is anonymous. */
  readonly token?: string
  /** The stream's tenant, for viewers without a token. */
  readonly tenantId?: string
  readonly ways?: WeriftWays
}

/**
 * A viewer without a browser: it asks for a contract and joins a stream as the page does, receives everything the hub forwards, decodes
 * nothing, and keeps what a test asks about. Told to, it joins again, on the same WebSocket.
 */
export class WeriftViewer implements AsyncDisposable {
  readonly states: Noted<StreamState>[] = []
  readonly rejoins: Noted<string>[] = []
  readonly captureClocks: Noted<HubNotifications['capture-clock']>[] = []
  readonly bounds: Noted<HubNotifications['abr-changed']>[] = []
  readonly contract: SubscribeAnswer
  /** When each `join` was answered; the first is that of {@link open}. */
  readonly joins: Noted<JoinAnswer>[] = []
  /** Every track there ever was, oldest first. */
  readonly tracks: ReceivedTrack[] = []
  readonly #url: string
  readonly #ways: WeriftWays
  #line: Line
  readonly #bySsrc = new Map<number, ReceivedTrack>()
  #transport: WebRtcTransportInfo | null = null
  #peer: RTCPeerConnection | null = null
  #closed = false

  private constructor(hubUrl: string, contract: SubscribeAnswer, ways: WeriftWays) {
    this.contract = contract
    this.#ways = ways
    this.#url = new URL(contract.join.webrtc.protoo_url, hubUrl).href.replace(/^http/, 'ws')
    this.#line = this.#call()
  }

  /**
   * Asks for a contract, connects and joins; media follows as soon as there is any.
   * @throws HubRefusal when there is no contract
   */
  static async open(
    hubUrl: string,
    streamId: string,
    { token, tenantId, ways = {} }: WeriftViewerOptions = {},
  ): Promise<WeriftViewer> {
    const body = { stream_id: streamId, ...(tenantId !== undefined && { tenant_id: tenantId }) }
    const asked = { hubUrl, path: '/v1/subscribe', token: token ?? null, body }
    const viewer = new WeriftViewer(hubUrl, await askHub(asked, subscribeAnswerSchema), ways)
    try {
      await viewer.#join()
      return viewer
    } catch (error) {
      await viewer[Symbol.asyncDispose]()
      throw error
    }
  }

  get state(): StreamState['state'] | undefined {
    return this.states.at(-1)?.value.state
  }

  /** The newest track of a kind; waits for one, and for its first packet. */
  async track(kind: 'audio' | 'video', withinMs = 15_000): Promise<ReceivedTrack> {
    return until(
      () => this.tracks.findLast((track) => track.kind === kind && !track.closed && track.packets.length > 0),
      `${kind} of the stream`,
      withinMs,
    )
  }

  /** Why the connection ended; pending while it stands. */
  get closed(): Promise<Closing> {
    return this.#line.connection.closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#line.connection.close('the test is over')
    await this.#peer?.close()
  }

  /** The way that media takes now; null while there is none. */
  get path(): WeriftPath | null {
    return this.#peer && pathOf(this.#peer)
  }

  /** Restarts ICE on the present WebSocket. */
  async restartIce(reason: RestartReason): Promise<void> {
    const request = { transport_id: this.#transport!.id, reason }
    const answer = await this.#line.connection.request('restart-ice', request)
    await this.#restart(restartIceAnswer.parse(answer))
  }

  /** Has another WebSocket take over what the present one watches, and restarts ICE. */
  async resume(restart: RestartReason): Promise<void> {
    const { connection: lost } = this.#line
    this.#line = this.#call()
    await this.#line.welcome
    const request = { transport_id: this.#transport!.id, ticket: this.contract.join.webrtc.ticket, restart }
    const { restarted, streams } = resumeAnswer.parse(await this.#line.connection.request('resume', request))
    const consumers = streams.flatMap((stream) => stream.consumers)
    for (const track of this.tracks)
      if (!consumers.some(({ consumer_id }) => consumer_id === track.consumerId)) track.closed = true
    await this.#restart(restarted!)
    lost.close('another connection has taken over')
  }

  async #restart({ ice_parameters }: RestartIceAnswer): Promise<void> {
    const peer = this.#peer!
    this.#transport = { ...this.#transport!, ice_parameters }
    const sdp = offerOf(this.#transport, this.#ways.tcp)
    await peer.setRemoteDescription({ type: 'offer', sdp })
    await peer.setLocalDescription(await peer.createAnswer())
    await checkAgain(peer)
  }

  /** Opens a WebSocket. */
  #call(): Line {
    const welcome = Promise.withResolvers<HubNotifications['welcome']>()
    const connection = new HubConnection(this.#url, this.#handlers(welcome.resolve))
    void connection.closed.then(({ reason }) => welcome.reject(new Error(reason)))
    welcome.promise.catch(() => {})
    return { connection, welcome: welcome.promise }
  }

  #handlers(welcomed: (welcome: HubNotifications['welcome']) => void): HubHandlers {
    return {
      welcome: welcomed,
      stream: (state) => this.#note(this.states, state),
      consumerClosed: ({ consumer_id }) => {
        for (const track of this.tracks) if (track.consumerId === consumer_id) track.closed = true
      },
      consumerLayer: () => {},
      rejoin: ({ reason }) => {
        this.#note(this.rejoins, reason)
        this.#joinAgain().catch((error) => this.#line.connection.close(String(error)))
      },
      captureClock: (clock) => this.#note(this.captureClocks, clock),
      abrChanged: (bounds) => this.#note(this.bounds, bounds),
      consume: async (info) => this.#consume(info),
    }
  }

  #note<T>(list: Noted<T>[], value: T): void {
    list.push({ at: performance.now(), value })
    if (list.length > 1000) list.shift()
  }

  async #joinAgain(): Promise<void> {
    for (;;) {
      try {
        return await this.#join()
      } catch (error) {
        if (this.#closed) return
        if (!String(error).includes('no_worker')) throw error
        await new Promise((resolve) => setTimeout(resolve, JOIN_AGAIN_MS))
      }
    }
  }

  async #join(): Promise<void> {
    const { connection, welcome } = this.#line
    const { router_rtp_capabilities } = await welcome
    const answer = joinAnswer.parse(
      await connection.request('join', {
        ticket: this.contract.join.webrtc.ticket,
        rtp_capabilities: plain(router_rtp_capabilities),
      }),
    )
    this.#note(this.joins, answer)
    // What changed while it joined was told as well.
    const watched = answer.streams[0]!
    if (this.state !== watched.stream.state) this.#note(this.states, watched.stream)
    for (const track of this.tracks) track.closed = true
    this.#bySsrc.clear()
    for (const consumer of watched.consumers) this.#consume(consumer)
    await this.#peer?.close()
    const peer = newWeriftPeer(this.#ways, answer.ice.ice_servers)
    this.#peer = peer
    this.#transport = answer.transport
    await peer.setRemoteDescription({ type: 'offer', sdp: offerOf(answer.transport, this.#ways.tcp) })
    const local = await peer.createAnswer()
    const connecting = peer.setLocalDescription(local)
    for (const transport of peer.dtlsTransports) transport.onRtp.subscribe((packet) => this.#receive(packet))
    const fingerprint = /a=fingerprint:sha-256 (\S+)/.exec(local.sdp)?.[1] ?? ''
    await connection.request('connect-transport', {
      transport_id: answer.transport.id,
      dtls_parameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: fingerprint }] },
    })
    await connecting
    // Closed before it is connected, werift would keep the process up for half a minute.
    await until(() => peer.connectionState === 'connected' || this.#closed, 'the media connection')
  }

  #consume(info: ConsumerInfo): void {
    const { encodings, headerExtensions } = rtpParameters.parse(info.rtp_parameters)
    const track: ReceivedTrack = {
      consumerId: info.consumer_id,
      producerId: info.producer_id,
      kind: info.kind,
      ssrc: encodings[0]!.ssrc,
      packets: [],
      extensionIds: new Map(headerExtensions.map(({ uri, id }) => [uri, id])),
      closed: false,
    }
    this.tracks.push(track)
    this.#bySsrc.set(track.ssrc, track)
  }

  #receive({ header, payload }: RtpPacket): void {
    // mediasoup's probation packets have an SSRC that nobody was told of.
    const packets = this.#bySsrc.get(header.ssrc)?.packets
    if (!packets) return
    if (packets.length >= MAX_PACKETS) packets.shift()
    packets.push({
      ssrc: header.ssrc,
      sequence: header.sequenceNumber,
      timestamp: header.timestamp,
      marker: header.marker,
      payload,
      extensions: new Map(header.extensions.map((extension) => [extension.id, extension.payload])),
      at: performance.now(),
    })
  }
}

/**
 * The router's capabilities without retransmission and congestion control: what arrives then is what the lane
 * sent, once, and no estimate holds a rendition back.
 */
function plain(routerCapabilities: unknown): z.infer<typeof offeredCapabilities> {
  const { codecs, headerExtensions } = offeredCapabilities.parse(routerCapabilities)
  return {
    codecs: codecs
      .filter(({ mimeType }) => !mimeType.endsWith('/rtx'))
      .map((codec) => ({
        ...codec,
        rtcpFeedback: [
          { type: 'ccm', parameter: 'fir' },
          { type: 'nack', parameter: 'pli' },
        ],
      })),
    headerExtensions: headerExtensions.filter(({ uri }) => /playout-delay|abs-capture-time/.test(uri)),
  }
}
