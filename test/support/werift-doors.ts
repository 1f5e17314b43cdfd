import { MediaStreamTrack, type RTCPeerConnection, RTCRtpCodecParameters, RtpHeader, RtpPacket } from 'werift'
import { iceServersOfLinks, type LinkedIceServer } from './ice-server-links.ts'
import { until } from './until.ts'
import {
  checkAgain,
  chosenServers,
  newWeriftPeer,
  pathOf,
  type WeriftPath,
  type WeriftWays,
} from './werift-peer.ts'

/** What a door answered, and the connection that came of it. */
export interface WeriftSession extends AsyncDisposable {
  readonly location: string
  /** The relays that the door named. */
  readonly relays: readonly LinkedIceServer[]
  /** RTP packets that came in, by kind. */
  readonly received: { audio: number; video: number }
  /** The way that media takes now; null while there is none. */
  readonly path: WeriftPath | null
  /** Restarts ICE by PATCH (RFC 9725 section 4.3.3). */
  restartIce(): Promise<void>
  /** Checks its path no more, as ICE of before RFC 7675: media alone goes on. */
  neverCheckAgain(): void
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
const newPeer = (relays: readonly LinkedIceServer[], ways: WeriftWays) =>
  newWeriftPeer(ways, [], {
    ...(relays.length > 0 && { iceServers: [...relays], iceTransportPolicy: 'relay' }),
    codecs: { audio: [OPUS], video: [VP8] },
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
  ways: WeriftWays = {},
): Promise<WeriftSession> {
  const peer = newPeer(relays, ways)
  const [audio, video] = [new MediaStreamTrack({ kind: 'audio' }), new MediaStreamTrack({ kind: 'video' })]
  peer.addTransceiver(audio, { direction: 'sendonly' })
  peer.addTransceiver(video, { direction: 'sendonly' })
  const made = await exchange(peer, url, token, ways)
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
  return sessionOf(peer, token, made, () => clearInterval(sending))
}

/** Watches by WHEP. @param relays media comes through them alone, where there are any */
export async function watchByWhep(
  url: string,
  token: string,
  relays: readonly LinkedIceServer[] = [],
  ways: WeriftWays = {},
): Promise<WeriftSession> {
  const peer = newPeer(relays, ways)
  const received = { audio: 0, video: 0 }
  peer.onTrack.subscribe((track) => {
    track.onReceiveRtp.subscribe(() => {
      received[track.kind === 'audio' ? 'audio' : 'video'] += 1
    })
  })
  peer.addTransceiver('audio', { direction: 'recvonly' })
  peer.addTransceiver('video', { direction: 'recvonly' })
  return sessionOf(peer, token, await exchange(peer, url, token, ways), () => {}, received)
}

async function exchange(
  peer: RTCPeerConnection,
  url: string,
  token: string,
  { relay }: WeriftWays,
): Promise<Pick<WeriftSession, 'location' | 'relays'>> {
  const offer = await peer.createOffer()
  // The relays come with the answer, and are of use only before candidates are gathered.
  if (!relay) await peer.setLocalDescription(offer)
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', authorization: `Bearer ${token}`, connection: 'close' },
    body: (relay ? offer : peer.localDescription!).sdp,
  })
  const sdp = await response.text()
  if (response.status !== 201) {
    await peer.close()
    throw new Error(`${response.status}: ${sdp}`)
  }
  const relays = iceServersOfLinks(response.headers.get('link'))
  if (relay) {
    const linked = relays.map(({ urls, ...credentials }) => ({ urls: [urls], ...credentials }))
    peer.setConfiguration({ iceServers: chosenServers(linked, relay) })
    await peer.setLocalDescription(offer)
  }
  await peer.setRemoteDescription({ type: 'answer', sdp })
  await until(() => peer.connectionState === 'connected', 'the media connection')
  return {
    location: new URL(response.headers.get('location')!, url).href,
    relays,
  }
}

async function restart(peer: RTCPeerConnection, location: string, token: string): Promise<void> {
  const offer = await peer.createOffer({ iceRestart: true })
  await peer.setLocalDescription(offer)
  const response = await fetch(location, {
    method: 'PATCH',
    headers: {
      'content-type': 'application/trickle-ice-sdpfrag',
      authorization: `Bearer ${token}`,
      // The connection of before belongs to a network that is left.
      connection: 'close',
      'if-match': '*',
    },
    body: `${lineOf(offer.sdp, 'ice-ufrag')}\r\n${lineOf(offer.sdp, 'ice-pwd')}\r\n`,
  })
  const fragment = await response.text()
  if (response.status !== 200) throw new Error(`${response.status}: ${fragment}`)
  const sdp = peer
    .remoteDescription!.sdp.replaceAll(/a=ice-ufrag:\S+/g, lineOf(fragment, 'ice-ufrag'))
    .replaceAll(/a=ice-pwd:\S+/g, lineOf(fragment, 'ice-pwd'))
  await peer.setRemoteDescription({ type: 'answer', sdp })
  await checkAgain(peer)
}

/** The first line of an attribute. */
function lineOf(sdp: string, attribute: string): string {
  return new RegExp(`^a=${attribute}:\\S+`, 'm').exec(sdp)![0]
}

function sessionOf(
  peer: RTCPeerConnection,
  token: string,
  made: Pick<WeriftSession, 'location' | 'relays'>,
  stop: () => void,
  received = { audio: 0, video: 0 },
): WeriftSession {
  return {
    ...made,
    received,
    get path() {
      return pathOf(peer)
    },
    restartIce: () => restart(peer, made.location, token),
    neverCheckAgain() {
      for (const { iceTransport } of peer.dtlsTransports) {
        const { connection } = iceTransport
        // Neither is in werift's types.
        Reflect.get(connection, 'stopConsentLifecycle').call(connection)
        Reflect.set(connection, 'consentFresh', true)
      }
    },
    fallSilent: stop,
    async [Symbol.asyncDispose]() {
      stop()
      await peer.close()
    },
  }
}
