import { type RTCPeerConnection, RtcpSenderInfo, RtcpSrPacket, RtpHeader } from 'werift'
import { type FlowContract, flowContractSchema } from '../../common/wire/flow-contract.ts'
import {
  type HubToPublisher,
  type PublishAnswer,
  type PublisherRequests,
  produceAnswer,
  publishAnswer,
} from '../../common/wire/publisher-protocol.ts'
import {
  type RestartReason,
  restartIceAnswer,
  type WebRtcTransportInfo,
} from '../../common/wire/web-rtc-shapes.ts'
import { askHub } from '../../signaling/client/hub-request.ts'
import type { Closing } from '../../signaling/client/hub-socket.ts'
import { PublisherConnection } from '../../signaling/client/publisher-connection.ts'
import { until } from './until.ts'
import { offerOf } from './werift-offer.ts'
import { checkAgain, newWeriftPeer, pathOf, type WeriftPath, type WeriftWays } from './werift-peer.ts'

/** As browsers send Opus: a packet every 20 ms. */
const PACKET_MS = 20
const PAYLOAD_TYPE = 100
/** Packets between two RTCP sender reports. */
const REPORT_EVERY = 25

export type Heard = {
  readonly [Method in Exclude<keyof HubToPublisher, 'contract-ended'>]: HubToPublisher[Method][]
}

/** A contract to publish over WebRTC. @throws HubRefusal */
export function askToPublish(
  hubUrl: string,
  token: string,
  streamId: string,
  transports: readonly string[] = ['webrtc'],
): Promise<FlowContract> {
  const body = { stream_id: streamId, preferred_transports: transports }
  return askHub({ hubUrl, path: '/v1/publish', token, body }, flowContractSchema)
}

/** A publisher without a browser: the door's protocol as it is, and sound that is no sound over werift's WebRTC. */
export class WeriftPublisher implements AsyncDisposable {
  readonly heard: Heard = {
    welcome: [],
    'keyframe-request': [],
    arrivals: [],
    'direct-leave': [],
    demand: [],
    'contract-changed': [],
    stream: [],
    viewers: [],
    'path-lost': [],
    republish: [],
  }
  connection: PublisherConnection
  /** Of its producers, as the hub answered. */
  readonly producerIds: string[] = []
  readonly #contract: FlowContract
  readonly #url: string
  readonly #ways: WeriftWays
  #transport: WebRtcTransportInfo | null = null
  #peer: RTCPeerConnection | null = null
  #sending: NodeJS.Timeout | undefined
  #packets = 0

  constructor(hubUrl: string, contract: FlowContract, ways: WeriftWays = {}) {
    this.#contract = contract
    this.#ways = ways
    this.#url = new URL(contract.join.protoo_url, hubUrl).href.replace(/^http/, 'ws')
    this.connection = this.#call()
  }

  /** Opens a WebSocket. */
  #call(): PublisherConnection {
    const note =
      <Method extends keyof Heard>(method: Method) =>
      (data: Heard[Method][number]): void => {
        const list: unknown[] = this.heard[method]
        list.push(data)
      }
    return new PublisherConnection(this.#url, {
      welcome: note('welcome'),
      'keyframe-request': note('keyframe-request'),
      arrivals: note('arrivals'),
      'direct-leave': note('direct-leave'),
      demand: note('demand'),
      'contract-changed': note('contract-changed'),
      stream: note('stream'),
      viewers: note('viewers'),
      'path-lost': note('path-lost'),
      republish: note('republish'),
    })
  }

  get closed(): Promise<Closing> {
    return this.connection.closed
  }

  get state(): string | undefined {
    return this.heard.stream.at(-1)?.state
  }

  async publish(more: Partial<PublisherRequests['publish']> = {}): Promise<PublishAnswer> {
    await until(() => this.heard.welcome.length > 0, 'the hub says welcome')
    const { ticket } = this.#contract.join
    return publishAnswer.parse(await this.connection.request('publish', { ticket, ...more }))
  }

  /** Connects the transport of a `publish`. */
  async connect(transport: WebRtcTransportInfo): Promise<void> {
    const peer = newWeriftPeer(this.#ways, this.#contract.join.ice_servers)
    this.#peer = peer
    this.#transport = transport
    await peer.setRemoteDescription({ type: 'offer', sdp: offerOf(transport, this.#ways.tcp) })
    const local = await peer.createAnswer()
    const connecting = peer.setLocalDescription(local)
    const fingerprint = /a=fingerprint:sha-256 (\S+)/.exec(local.sdp)?.[1] ?? ''
    await this.connection.request('connect-transport', {
      transport_id: transport.id,
      dtls_parameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: fingerprint }] },
    })
    await connecting
    await until(() => peer.connectionState === 'connected', 'the media connection')
  }

  /** The way that media takes now; null while there is none. */
  get path(): WeriftPath | null {
    return this.#peer && pathOf(this.#peer)
  }

  /** Has another WebSocket take over from the present one. The transport stays. */
  async resume(more: Partial<PublisherRequests['publish']> = {}): Promise<PublishAnswer> {
    const lost = this.connection
    this.heard.welcome.length = 0
    this.connection = this.#call()
    const answer = await this.publish({ ...more, transport_id: this.#transport!.id })
    lost.close('another connection has taken over')
    return answer
  }

  /** Restarts ICE on the present WebSocket. */
  async restartIce(reason: RestartReason): Promise<void> {
    const request = { transport_id: this.#transport!.id, reason }
    const { ice_parameters } = restartIceAnswer.parse(await this.connection.request('restart-ice', request))
    const peer = this.#peer!
    this.#transport = { ...this.#transport!, ice_parameters }
    const sdp = offerOf(this.#transport, this.#ways.tcp)
    await peer.setRemoteDescription({ type: 'offer', sdp })
    await peer.setLocalDescription(await peer.createAnswer())
    await checkAgain(peer)
  }

  /** Produces Opus with this SSRC; nothing is sent before {@link send}. */
  async produceAudio(transport_id: string, ssrc: number): Promise<string> {
    const answer = await this.connection.request('produce', {
      transport_id,
      kind: 'audio',
      rtp_parameters: {
        codecs: [{ mimeType: 'audio/opus', payloadType: PAYLOAD_TYPE, clockRate: 48_000, channels: 2 }],
        encodings: [{ ssrc }],
        rtcp: { cname: 'werift' },
      },
    })
    const { producer_id } = produceAnswer.parse(answer)
    this.producerIds.push(producer_id)
    return producer_id
  }

  /** Sends packets and sender reports until {@link silence}; each payload is `text` and a count. */
  send(ssrc: number, text: string): void {
    const dtls = this.#peer?.dtlsTransports[0]
    if (!dtls) throw new Error('connect first')
    this.#sending = setInterval(() => {
      const count = this.#packets++
      const timestamp = (count * PACKET_MS * 48) >>> 0
      const header = new RtpHeader({
        ssrc,
        payloadType: PAYLOAD_TYPE,
        sequenceNumber: count & 0xffff,
        timestamp,
      })
      dtls.sendRtp(Buffer.from(`${text} ${count}`), header).catch(() => {})
      if (count % REPORT_EVERY === 0)
        dtls
          .sendRtcp([new RtcpSrPacket({ ssrc, senderInfo: reportOf(timestamp, count + 1) })])
          .catch(() => {})
    }, PACKET_MS)
  }

  silence(): void {
    clearInterval(this.#sending)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.silence()
    this.connection.close('the test is over')
    await this.#peer?.close()
  }
}

function reportOf(rtpTimestamp: number, packetCount: number): RtcpSenderInfo {
  const unixMs = Date.now()
  const seconds = BigInt(Math.floor(unixMs / 1000) + 2_208_988_800)
  const fraction = BigInt(Math.floor(((unixMs % 1000) / 1000) * 2 ** 32))
  return new RtcpSenderInfo({
    ntpTimestamp: (seconds << 32n) | fraction,
    rtpTimestamp,
    packetCount,
    octetCount: packetCount * 10,
  })
}
