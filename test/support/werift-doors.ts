import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters, RtpHeader, RtpPacket } from 'werift'
import { iceServersOfLinks, type LinkedIceServer } from './ice-server-links.ts'
import { until } from './until.ts'

/** What a door answered, and the connection that came of it. */
export interface WeriftSession extends AsyncDisposable {
  readonly location: string
  /** The relays that the door named. */
  readonly relays: readonly LinkedIceServer[]
  /** RTP packets that came in, by kind. */
  readonly received: { audio: number; video: number }
  /** Sends nothing more, and says nothing of it: as far as media goes, it died. */
  readonly fallSilent: () => void
}

const VP8 = new RTCRtpCodecParameters({
  mimeType: 'video/VP8',
  clockRate: 90_000,
  payloadType: 96,
  rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
})
const OPUS = new RTCRtpCodecParameters({
  mimeType: 'audio/opus',
  clockRate: 48_000,
  channels: 2,
  payloadType: 111,
})
/** Packets a second of each kind. */
const RATE = 50

/** One transport from the start: werift leaves the sockets open of those that bundling makes needless. */
const newPeer = (relays: readonly LinkedIceServer[]) =>
  new RTCPeerConnection({
    ...(relays.length > 0 && { iceServers: [...relays], iceTransportPolicy: 'relay' }),
    codecs: { audio: [OPUS], video: [VP8] },
    iceAdditionalHostAddresses: ['127.0.0.1'],
    bundlePolicy: 'max-bundle',
  })

/**
 * Publishes packets of VP8 key frames and of Opus by WHIP; nobody could decode them.
 * @param relays media goes through them alone, where there are any
 */
export async function publishByWhip(
  url: string,
  token: string,
  relays: readonly LinkedIceServer[] = [],
): Promise<WeriftSession> {
  const peer = newPeer(relays)
  const [audio, video] = [new MediaStreamTrack({ kind: 'audio' }), new MediaStreamTrack({ kind: 'video' })]
  peer.addTransceiver(audio, { direction: 'sendonly' })
  peer.addTransceiver(video, { direction: 'sendonly' })
  const made = await exchange(peer, url, token)
  let sequence = 0
  // One packet a picture: a payload descriptor that begins one (RFC 7741), and the header of a key frame of 16 x 16.
  const picture = Buffer.from([0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0, ...new Array(200).fill(0)])
  const sending = setInterval(() => {
    sequence = (sequence + 1) & 0xffff
    const packet = (payloadType: number, clockRate: number, payload: Buffer) =>
      new RtpPacket(
        new RtpHeader({
          payloadType,
          sequenceNumber: sequence,
          timestamp: (sequence * (clockRate / RATE)) >>> 0,
          marker: true,
        }),
        payload,
      )
    video.writeRtp(packet(96, 90_000, picture))
    audio.writeRtp(packet(111, 48_000, Buffer.from([0xfc, 0xff, 0xfe])))
  }, 1000 / RATE)
  return sessionOf(peer, made, () => clearInterval(sending))
}

/** Watches by WHEP. @param relays media comes through them alone, where there are any */
export async function watchByWhep(
  url: string,
  token: string,
  relays: readonly LinkedIceServer[] = [],
): Promise<WeriftSession> {
  const peer = newPeer(relays)
  const received = { audio: 0, video: 0 }
  peer.onTrack.subscribe((track) => {
    track.onReceiveRtp.subscribe(() => {
      received[track.kind === 'audio' ? 'audio' : 'video'] += 1
    })
  })
  peer.addTransceiver('audio', { direction: 'recvonly' })
  peer.addTransceiver('video', { direction: 'recvonly' })
  return sessionOf(peer, await exchange(peer, url, token), () => {}, received)
}

async function exchange(
  peer: RTCPeerConnection,
  url: string,
  token: string,
): Promise<Pick<WeriftSession, 'location' | 'relays'>> {
  const offer = await peer.createOffer()
  await peer.setLocalDescription(offer)
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', authorization: `Bearer ${token}` },
    body: peer.localDescription!.sdp,
  })
  const sdp = await response.text()
  if (response.status !== 201) {
    await peer.close()
    throw new Error(`${response.status}: ${sdp}`)
  }
  await peer.setRemoteDescription({ type: 'answer', sdp })
  await until(() => peer.connectionState === 'connected', 'the media connection')
  return {
    location: new URL(response.headers.get('location')!, url).href,
    relays: iceServersOfLinks(response.headers.get('link')),
  }
}

function sessionOf(
  peer: RTCPeerConnection,
  made: Pick<WeriftSession, 'location' | 'relays'>,
  stop: () => void,
  received = { audio: 0, video: 0 },
): WeriftSession {
  return {
    ...made,
    received,
    fallSilent: stop,
    async [Symbol.asyncDispose]() {
      stop()
      await peer.close()
    },
  }
}
