import {
  MediaStreamTrack,
  RTCPeerConnection,
  RTCRtpHeaderExtensionParameters,
  useH264,
  useOPUS,
} from 'werift'
import { EXTENSION_AT } from './direct-media.ts'

const PLAYOUT_DELAY = 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay'
/** An element of three bytes (RFC 8285 section 4.2). */
const THREE_BYTES = 2
/** A viewer that has no path within this time gets none, ms. */
const PATH_WITHIN_MS = 8000

export interface DirectViewerEvents {
  /** The viewer needs an IDR. */
  keyframe(): void
  /** No path came up, or the path is lost. */
  left(): void
}

/**
 * One viewer that gets pictures and sound from this machine itself. ICE proves the way: only candidates of this machine
 * are offered (RFC 8445), so nothing is found but a network that both share.
 */
export class DirectViewer implements AsyncDisposable {
  readonly #peer = new RTCPeerConnection({
    codecs: {
      video: [
        useH264({
          parameters: 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
          rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
        }),
      ],
      audio: [useOPUS()],
    },
    headerExtensions: { video: [new RTCRtpHeaderExtensionParameters({ uri: PLAYOUT_DELAY })] },
    // The viewer checks, and this end answers (RFC 8445 section 2.5). Otherwise werift asks a STUN server of its own choice,
    // and waits for that.
    iceLite: true,
    iceServers: [],
    // Viewers on this very machine, as in a studio.
    iceAdditionalHostAddresses: ['127.0.0.1'],
  })
  readonly #video = new MediaStreamTrack({ kind: 'video' })
  readonly #audio = new MediaStreamTrack({ kind: 'audio' })
  readonly #events: DirectViewerEvents
  readonly #patience: NodeJS.Timeout
  /** The viewer's id of the playout delay; null where it takes none. */
  #delayId: number | null = null
  #isConnected = false

  constructor(events: DirectViewerEvents) {
    this.#events = events
    this.#patience = setTimeout(() => events.left(), PATH_WITHIN_MS)
    this.#peer.connectionStateChange.subscribe((state) => {
      if (state === 'connected') {
        clearTimeout(this.#patience)
        this.#isConnected = true
        events.keyframe()
      } else if (state === 'failed' || state === 'closed' || state === 'disconnected') events.left()
    })
  }

  /** @returns the answer, with all candidates. @throws where the offer can't be answered */
  async answer(offer: string): Promise<string> {
    await this.#peer.setRemoteDescription({ type: 'offer', sdp: withoutNames(offer) })
    this.#delayId = delayIdIn(offer)
    const transceivers = this.#peer.getTransceivers()
    if (!transceivers.some(({ kind }) => kind === 'video')) throw new Error('the offer asks for no pictures')
    for (const transceiver of transceivers) {
      const track = transceiver.kind === 'video' ? this.#video : this.#audio
      await transceiver.sender.replaceTrack(track)
      transceiver.setDirection('sendonly')
      transceiver.sender.onPictureLossIndication.subscribe(() => this.#events.keyframe())
    }
    await this.#peer.setLocalDescription(await this.#peer.createAnswer())
    const { sdp } = this.#peer.localDescription ?? {}
    if (sdp === undefined) throw new Error('there is no answer')
    return sdp
  }

  video(packet: Buffer): void {
    if (!this.#isConnected) return
    // werift keeps what it sends, to send it again.
    const own = Buffer.from(packet)
    if (this.#delayId !== null) own[EXTENSION_AT] = (this.#delayId << 4) | THREE_BYTES
    this.#video.writeRtp(own)
  }

  audio(packet: Buffer): void {
    if (this.#isConnected) this.#audio.writeRtp(Buffer.from(packet))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#patience)
    this.#isConnected = false
    await this.#peer.close()
  }
}

/**
 * Leaves out candidates with names instead of addresses (mDNS), which browsers give to hide where they are: nobody
 * answers for them beyond a hop of multicast, and werift waits. The browser's own checks show its address.
 */
const withoutNames = (sdp: string): string => sdp.replace(/^a=candidate:.*\.local .*\r?\n/gm, '')

/** The id that an offer gives to the playout delay, if it has one that fits the one-byte form. */
function delayIdIn(offer: string): number | null {
  const id = Number(/^a=extmap:(\d+)(?:\/\w+)? \S*rtp-hdrext\/playout-delay/m.exec(offer)?.[1])
  return id >= 1 && id <= 14 ? id : null
}
