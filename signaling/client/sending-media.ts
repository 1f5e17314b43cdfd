import type { Device, types } from 'mediasoup-client'
import { z } from 'zod'
import type { IceAccess } from '../../common/wire/flow-contract.ts'
import { produceAnswer } from '../../common/wire/publisher-protocol.ts'
import type { RestartIceAnswer, WebRtcTransportInfo } from '../../common/wire/web-rtc-shapes.ts'
import { bytesBothWays } from './arrived-bytes.ts'
import { iceConfiguration } from './ice-configuration.ts'
import { dtlsParameters, iceCandidates, iceParameters, iceServersOf } from './mediasoup-shapes.ts'
import { preferNextPath } from './newer-candidates.ts'
import type { PublisherConnection } from './publisher-connection.ts'

/** What accompanies a track through mediasoup-client. */
const pictureIn = z.object({ picture: z.object({ width: z.number(), height: z.number() }).optional() })

export interface SendingMediaOwner {
  /** The present connection; throws where there is none. */
  connection(): PublisherConnection
  /** The transport never connected: it will never deliver. */
  failed(media: SendingMedia, reason: string): void
  /** ICE has no path any more. An ICE restart may find another. */
  pathLost(media: SendingMedia): void
}

/** The transport that sends the tracks. It outlives the connection that signalled it. */
export class SendingMedia {
  readonly id: string
  readonly #transport: types.Transport
  readonly #owner: SendingMediaOwner
  #everConnected = false

  /** @throws when the hub's parameters are not what mediasoup speaks */
  constructor(device: Device, info: WebRtcTransportInfo, ice: IceAccess, owner: SendingMediaOwner) {
    this.id = info.id
    this.#owner = owner
    this.#transport = device.createSendTransport({
      id: info.id,
      iceParameters: iceParameters.parse(info.ice_parameters),
      iceCandidates: iceCandidates.parse(info.ice_candidates),
      dtlsParameters: dtlsParameters.parse(info.dtls_parameters),
      ...iceConfiguration(ice),
    })
    this.#transport.on('connect', ({ dtlsParameters: { role, fingerprints } }, connected, refused) => {
      const request = { transport_id: info.id, dtls_parameters: { ...(role && { role }), fingerprints } }
      this.#ask(() => owner.connection().request('connect-transport', request)).then(connected, refused)
    })
    this.#transport.on('produce', ({ kind, rtpParameters, appData }, produced, refused) => {
      const { picture } = pictureIn.parse(appData)
      const request = {
        transport_id: info.id,
        kind,
        rtp_parameters: plain(rtpParameters),
        ...(picture && { picture }),
      }
      this.#ask(() => owner.connection().request('produce', request))
        .then((answer) => produced({ id: produceAnswer.parse(answer).producer_id }))
        .catch(refused)
    })
    this.#transport.on('connectionstatechange', (state) => {
      if (state === 'connected') this.#everConnected = true
      if (state !== 'failed' && state !== 'disconnected') return
      if (this.#everConnected) owner.pathLost(this)
      else if (state === 'failed') owner.failed(this, 'the media connection failed')
    })
  }

  /** Whether ICE has a path now. */
  get connected(): boolean {
    return this.#transport.connectionState === 'connected'
  }

  /** Looks for another path, with the hub's new credentials. @throws when the transport is closed */
  async restartIce({ ice_parameters, ice_servers }: RestartIceAnswer): Promise<void> {
    if (ice_servers) await this.#transport.updateIceServers({ iceServers: iceServersOf(ice_servers) })
    preferNextPath(this.#transport)
    await this.#transport.restartIce({ iceParameters: iceParameters.parse(ice_parameters) })
  }

  /** Bytes that were sent, and that came back, so far. Rejects once the transport is closed. */
  async bytes(): Promise<{ readonly sent: number; readonly arrived: number }> {
    return bytesBothWays((await this.#transport.getStats()).values())
  }

  get closed(): boolean {
    return this.#transport.closed
  }

  async produce(options: types.ProducerOptions): Promise<types.Producer> {
    return this.#transport.produce(options)
  }

  /** Tells the hub that a producer is over. Where the hub can't be told now, the transport ends anyway. */
  closeProducer(producer_id: string): void {
    void this.#ask(() => this.#owner.connection().request('close-producer', { producer_id })).catch(() => {})
  }

  async pauseProducer(producer_id: string, paused: boolean): Promise<void> {
    const method = paused ? 'pause-producer' : 'resume-producer'
    await this.#ask(() => this.#owner.connection().request(method, { producer_id }))
  }

  /** Statistics of the whole transport; rejects once it is closed. */
  async getStats(): Promise<RTCStatsReport> {
    return this.#transport.getStats()
  }

  close(): void {
    this.#transport.close()
  }

  async #ask(request: () => Promise<unknown>): Promise<unknown> {
    return request()
  }
}

/** mediasoup's parameters as JSON carries them: without undefined values. */
function plain({ codecs, encodings = [], ...rest }: types.RtpParameters) {
  return {
    ...rest,
    codecs: codecs.map((codec) => ({ ...codec })),
    encodings: encodings.map((encoding) => ({ ...encoding })),
  }
}
