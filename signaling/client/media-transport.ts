import type { Device, types } from 'mediasoup-client'
import type { IceAccess } from '../../common/wire/flow-contract.ts'
import type { ConsumerInfo, JoinAnswer, ViewerRequests } from '../../common/wire/viewer-protocol.ts'
import type { RestartIceAnswer } from '../../common/wire/web-rtc-shapes.ts'
import { bytesOver } from './arrived-bytes.ts'
import { iceConfiguration } from './ice-configuration.ts'
import { MediaSession } from './media-session.ts'
import {
  dtlsParameters,
  iceCandidates,
  iceParameters,
  iceServersOf,
  receiveRtpParameters,
} from './mediasoup-shapes.ts'
import { preferNextPath } from './newer-candidates.ts'

/** No path led to the hub, direct or through a relay. */
export const MEDIA_FAILED = 'the media connection failed'

/** What a transport needs from its owner, and what it reports. */
export interface MediaTransportOwner {
  /** Sends `connect-transport`. */
  connect(request: ViewerRequests['connect-transport']): Promise<unknown>
  /** The transport was refused, or never connected: it will never deliver. */
  failed(reason: string): void
  /** ICE has no path any more. An ICE restart may find another. */
  pathLost(): void
}

/**
 * One WebRTC transport, from one `join` to the next, and the streams on it. The transport outlives the connection to
 * the hub, so that the last pictures stay until the next transport delivers. It closes when its owner has released it
 * and all its sessions are closed.
 */
export class MediaTransport {
  readonly #transport: types.Transport
  readonly #sessions = new Set<MediaSession>()
  #released = false
  #everConnected = false

  /** @throws when the hub's parameters are not what mediasoup speaks. */
  constructor(device: Device, join: JoinAnswer['transport'], ice: IceAccess, owner: MediaTransportOwner) {
    this.#transport = device.createRecvTransport({
      id: join.id,
      iceParameters: iceParameters.parse(join.ice_parameters),
      iceCandidates: iceCandidates.parse(join.ice_candidates),
      dtlsParameters: dtlsParameters.parse(join.dtls_parameters),
      ...iceConfiguration(ice),
    })
    this.#transport.on('connect', ({ dtlsParameters: { role, fingerprints } }, connected) => {
      // The browser goes on while the hub gets the request: waiting for the answer would add a round trip to the join.
      connected()
      owner
        .connect({
          transport_id: join.id,
          dtls_parameters: { ...(role && { role }), fingerprints },
        })
        .catch((error: unknown) => owner.failed(`the media connection was refused: ${String(error)}`))
    })
    this.#transport.on('connectionstatechange', (state) => {
      if (state === 'connected') this.#everConnected = true
      if (state !== 'failed' && state !== 'disconnected') return
      if (this.#everConnected) owner.pathLost()
      else if (state === 'failed') owner.failed(MEDIA_FAILED)
    })
  }

  /** Opens a session for one more stream. */
  open(): MediaSession {
    const session: MediaSession = new MediaSession(this, () => {
      this.#sessions.delete(session)
      this.#closeUnused()
    })
    this.#sessions.add(session)
    return session
  }

  /**
   * Starts to receive one consumer. Calls of one tick share one negotiation, so that audio and video start together.
   * @throws when this browser can't receive the consumer
   */
  consume(info: ConsumerInfo): Promise<types.Consumer> {
    return this.#transport.consume({
      id: info.consumer_id,
      producerId: info.producer_id,
      kind: info.kind,
      rtpParameters: receiveRtpParameters.parse(info.rtp_parameters),
      // The tracks of a stream are in sync with each other, and not with other streams.
      streamId: info.contract_id,
      onRtpReceiver: playAsSoonAsPossible,
    })
  }

  get id(): string {
    return this.#transport.id
  }

  /** Whether ICE has a path now. */
  get connected(): boolean {
    return this.#transport.connectionState === 'connected'
  }

  /** Bytes of media that have come so far, in this browser's own count. Rejects once the transport is closed. */
  async arrivedBytes(): Promise<number> {
    return bytesOver((await this.#transport.getStats()).values())
  }

  /** Looks for another path, with the hub's new credentials. @throws when the transport is closed */
  async restartIce({ ice_parameters, ice_servers }: RestartIceAnswer): Promise<void> {
    if (ice_servers) await this.#transport.updateIceServers({ iceServers: iceServersOf(ice_servers) })
    preferNextPath(this.#transport)
    await this.#transport.restartIce({ iceParameters: iceParameters.parse(ice_parameters) })
  }

  /** Statistics of the whole transport; rejects once it is closed. */
  getStats(): Promise<RTCStatsReport> {
    return this.#transport.getStats()
  }

  /** The owner no longer needs the transport. It closes with the last of its sessions. */
  release(): void {
    this.#released = true
    this.#closeUnused()
  }

  #closeUnused(): void {
    if (this.#released && this.#sessions.size === 0) this.#transport.close()
  }
}

/** Asks for no delay beyond what the jitter needs, in browsers that let a page choose. */
function playAsSoonAsPossible(receiver: RTCRtpReceiver): void {
  if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0
  // The older name of the same wish, in seconds (Chromium before 124).
  else if ('playoutDelayHint' in receiver) Object.assign(receiver, { playoutDelayHint: 0 })
}
