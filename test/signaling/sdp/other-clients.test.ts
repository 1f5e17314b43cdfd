import test from 'ava'
import { parse } from 'sdp-transform'
import { writeAnswer } from '../../../signaling/sdp/answer.ts'
import { readIceFragment } from '../../../signaling/sdp/ice-fragment.ts'
import { readOffer } from '../../../signaling/sdp/offer.ts'
import { publishedTracks } from '../../../signaling/sdp/published-tracks.ts'
import { viewedTracks } from '../../../signaling/sdp/viewed-tracks.ts'
import {
  AIORTC_OFFER,
  FFMPEG_OFFER,
  FFMPEG_SILENT_OFFER,
  GSTREAMER_PLAYER_OFFER,
  PION_OFFER,
} from '../../support/client-offers.ts'
import { GSTREAMER_OFFER, OBS_OFFER, PLAYER_OFFER } from '../../support/offers.ts'
import { SUPPORTED, TRANSPORT } from '../../support/sdp-rig.ts'

/** What other people's WHIP and WHEP clients send, and what they need of the answer. */

interface Published {
  /** Section, codec, payload type, SSRC and that of its repair. */
  readonly tracks: readonly string[]
  /** Who is the DTLS client. */
  readonly hubIs: 'active' | 'passive'
  /** The hash of the fingerprint that is compared. */
  readonly hash: 'sha-256' | 'sha-512'
}

const PUBLISHERS: readonly (readonly [client: string, offer: string, Published])[] = [
  [
    'ffmpeg, which is the DTLS server',
    FFMPEG_OFFER,
    {
      tracks: ['0 audio/opus 111 492341693 -', '1 video/H264 106 2806541432 2806541433'],
      hubIs: 'active',
      hash: 'sha-256',
    },
  ],
  [
    'ffmpeg without sound, which bundles a section that is not there',
    FFMPEG_SILENT_OFFER,
    { tracks: ['1 video/H264 106 2806541432 2806541433'], hubIs: 'active', hash: 'sha-256' },
  ],
  [
    'pion, which would receive as well, and trickles nothing',
    PION_OFFER,
    {
      tracks: ['0 audio/opus 111 2011348177 -', '1 video/VP8 96 3370125894 1120431234'],
      hubIs: 'passive',
      hash: 'sha-256',
    },
  ],
  [
    'aiortc, with fingerprints of three hashes',
    AIORTC_OFFER,
    {
      tracks: ['0 audio/opus 96 2411973126 -', '1 video/VP8 97 1907235218 3307284761'],
      hubIs: 'passive',
      hash: 'sha-512',
    },
  ],
  [
    'OBS with lines that end in LF alone',
    OBS_OFFER.replaceAll('\r\n', '\n'),
    {
      tracks: ['0 audio/opus 111 1284120104 -', '1 video/H264 96 1284120105 -'],
      hubIs: 'passive',
      hash: 'sha-256',
    },
  ],
  [
    'GStreamer with a name of the hash in capital letters, and candidates over UDP in capital letters',
    GSTREAMER_OFFER.replaceAll('sha-256', 'SHA-256').replace(
      'a=rtcp-mux',
      'a=candidate:1 1 UDP 2015363327 192.0.2.5 38811 typ host\r\na=candidate:2 1 TCP 1015021823 192.0.2.5 9 typ host tcptype active\r\na=rtcp-mux',
    ),
    {
      tracks: ['video0 video/H264 96 3776670536 1127303366', 'audio1 audio/opus 98 1127303370 -'],
      hubIs: 'passive',
      hash: 'sha-256',
    },
  ],
]

for (const [client, sdp, wanted] of PUBLISHERS)
  test(`published by ${client}`, (t) => {
    const offer = readOffer(sdp)
    const tracks = publishedTracks(offer, SUPPORTED, 'cam')
    t.deepEqual(
      tracks.map(({ rtpParameters: { mid, codecs, encodings } }) =>
        [
          mid,
          codecs[0]?.mimeType,
          codecs[0]?.payloadType,
          encodings?.[0]?.ssrc,
          encodings?.[0]?.rtx?.ssrc ?? '-',
        ].join(' '),
      ),
      wanted.tracks,
    )
    t.is(offer.dtls.fingerprints[0]?.algorithm, wanted.hash)
    const answer = writeAnswer(
      offer,
      TRANSPORT,
      tracks.map((track) => track.answer),
    )
    const { media, groups } = parse(answer)
    // One section for each of the offer, in its order: RFC 8829 section 5.3.1.
    t.deepEqual(
      media.map(({ type, mid }) => [type, String(mid)]),
      parse(sdp).media.map(({ type, mid }) => [type, String(mid)]),
    )
    for (const section of media) {
      t.is(section.setup, wanted.hubIs)
      t.is(section.direction, 'recvonly')
      t.is(section.rtcpMux, 'rtcp-mux')
    }
    t.deepEqual(
      String(groups?.[0]?.mids).split(' '),
      media.map(({ mid }) => String(mid)),
    )
    // ffmpeg takes the first candidate or none, and it must be over UDP.
    t.is(media[0]?.candidates?.[0]?.transport, 'udp')
  })

const PLAYERS: readonly (readonly [client: string, offer: string, types: Record<string, string>])[] = [
  ['a GStreamer player without a=fmtp', GSTREAMER_PLAYER_OFFER, { 'video/VP8': '101', 'video/H264': '102' }],
  ['a player whose lines end in LF alone', PLAYER_OFFER.replaceAll('\r\n', '\n'), { 'video/H264': '42' }],
  ['pion that only wants to watch', PION_OFFER.replaceAll('sendrecv', 'recvonly'), { 'video/VP8': '96' }],
  [
    'aiortc that only wants to watch',
    AIORTC_OFFER.replaceAll('sendonly', 'recvonly'),
    { 'video/H264': '99' },
  ],
]

for (const [client, sdp, types] of PLAYERS)
  test(`watched by ${client}`, (t) => {
    for (const [codec, payloadType] of Object.entries(types)) {
      const offer = readOffer(sdp)
      const { answers } = viewedTracks(offer, { audio: 'audio/opus', video: codec }, [], 'cam')
      const { media } = parse(writeAnswer(offer, TRANSPORT, answers))
      const pictures = media.find(({ type }) => type === 'video')
      t.is(String(pictures?.payloads), payloadType)
      t.is(pictures?.direction, 'sendonly')
      if (codec === 'video/H264') t.regex(pictures?.fmtp[0]?.config ?? '', /packetization-mode=1/)
    }
  })

const SECTION = 'm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n'
const HOST = 'a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host'
const EsAw = { usernameFragment: 'EsAw', password: 'P2uYro0UCOQ4zxjKXaWCBui1' }
const OWN = 'a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n'

/** A fragment, the candidates in it, and whose they are where it says so. */
const FRAGMENTS: readonly (readonly [
  what: string,
  fragment: string,
  candidates: number,
  typeof EsAw | null,
])[] = [
  [
    "RFC 9725's own, with a group and candidates of Chromium",
    `a=group:BUNDLE 0 1\r\n${SECTION}${OWN}${HOST} generation 0 ufrag EsAw network-id 1\r\n${HOST} generation 0 ufrag EsAw network-id 1 network-cost 10\r\na=end-of-candidates\r\n`,
    2,
    EsAw,
  ],
  ['an ICE restart with options before it', `a=ice-options:trickle ice2\r\n${SECTION}${OWN}`, 0, EsAw],
  ['credentials before the section', `${OWN}${SECTION}${HOST}\r\n`, 1, EsAw],
  ['credentials without a section', OWN, 0, EsAw],
  ['candidates alone', `${HOST}\r\n`, 1, null],
  ['nothing but their end', 'a=end-of-candidates\r\n', 0, null],
  ['the end in a section', `${SECTION}a=end-of-candidates\r\n`, 0, null],
  [
    'lines that end in LF alone, the last one in nothing',
    `${OWN}${SECTION}${HOST}`.replaceAll('\r\n', '\n'),
    1,
    EsAw,
  ],
  ['Firefox, whose last candidate is empty', `${SECTION}${HOST}\r\na=\r\n`, 1, null],
  [
    'a name of mDNS, and UDP in capital letters',
    `${SECTION}a=candidate:0 1 UDP 2122252543 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 51234 typ host\r\n`,
    1,
    null,
  ],
  [
    'ICE over TCP',
    `${SECTION}a=candidate:842163049 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0\r\n`,
    1,
    null,
  ],
  [
    'IPv6, and a reflexive and a relayed address',
    `${SECTION}a=candidate:3 1 udp 2122262783 2001:db8::1 51235 typ host\r\na=candidate:4 1 udp 1686052607 203.0.113.9 51236 typ srflx raddr 0.0.0.0 rport 0\r\na=candidate:5 1 udp 41885439 198.51.100.1 9004 typ relay raddr 203.0.113.9 rport 51236\r\n`,
    3,
    null,
  ],
  [
    'the same in both sections, as all clients do that do not wait for the answer',
    `${OWN}${SECTION}${HOST}\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n${OWN}${HOST}\r\n`,
    2,
    EsAw,
  ],
]

for (const [what, fragment, candidates, credentials] of FRAGMENTS)
  test(`a fragment with ${what}`, (t) => {
    t.deepEqual(readIceFragment(fragment), { candidates, credentials })
  })
