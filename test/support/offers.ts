/** Offers as clients make them, for tests: each can be changed by replacing its lines. */

const ICE = ['a=ice-ufrag:F7gI', 'a=ice-pwd:x9cml/YzichV2+XlhiMu8g', 'a=ice-options:trickle'] as const
const FINGERPRINT = `a=fingerprint:sha-256 ${Array.from({ length: 32 }, (_, index) => index.toString(16).padStart(2, '0').toUpperCase()).join(':')}`

const sdp = (...lines: readonly string[]): string => `${lines.join('\r\n')}\r\n`

/** OBS Studio 31 (libdatachannel): no candidates, no header extensions but mid, one section each, H.264 and Opus. */
export const OBS_OFFER = sdp(
  'v=0',
  'o=rtc 3767197920 0 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0 1',
  'a=group:LS 0 1',
  'a=msid-semantic:WMS *',
  'a=setup:actpass',
  'a=ice-ufrag:zjkk',
  'a=ice-pwd:TFHsJMNdMZ6pJIbKf5JgrE',
  'a=ice-options:ice2,trickle',
  FINGERPRINT,
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'c=IN IP4 0.0.0.0',
  'a=mid:0',
  'a=sendonly',
  'a=ssrc:1284120104 cname:JBEiPSp3ROJ4Fbh4',
  'a=ssrc:1284120104 msid:mRbzMXl2vUqX9kAc mRbzMXl2vUqX9kAc-audio',
  'a=msid:mRbzMXl2vUqX9kAc mRbzMXl2vUqX9kAc-audio',
  'a=rtcp-mux',
  'a=rtpmap:111 opus/48000/2',
  'a=fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1',
  'm=video 9 UDP/TLS/RTP/SAVPF 96',
  'c=IN IP4 0.0.0.0',
  'a=mid:1',
  'a=sendonly',
  'a=ssrc:1284120105 cname:JBEiPSp3ROJ4Fbh4',
  'a=ssrc:1284120105 msid:mRbzMXl2vUqX9kAc mRbzMXl2vUqX9kAc-video',
  'a=msid:mRbzMXl2vUqX9kAc mRbzMXl2vUqX9kAc-video',
  'a=rtcp-mux',
  'a=rtpmap:96 H264/90000',
  'a=rtcp-fb:96 nack',
  'a=rtcp-fb:96 nack pli',
  'a=rtcp-fb:96 goog-remb',
  'a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1',
)

/** GStreamer's whipsink (webrtcbin): baseline H.264 of its encoder, transport-cc, RTX. */
export const GSTREAMER_OFFER = sdp(
  'v=0',
  'o=- 5270894112233441 0 IN IP4 0.0.0.0',
  's=-',
  't=0 0',
  'a=ice-options:trickle',
  'a=group:BUNDLE video0 audio1',
  'm=video 9 UDP/TLS/RTP/SAVPF 96 97',
  'c=IN IP4 0.0.0.0',
  'a=setup:actpass',
  'a=ice-ufrag:fq2JKZ6Aw4LWnFUmZhSMLeX7TEWlIsXR',
  'a=ice-pwd:zRAGk4cQwYN6WQ2sJZYVDM5kkw2EhMDe',
  'a=rtcp-mux',
  'a=rtcp-rsize',
  'a=sendonly',
  'a=rtpmap:96 H264/90000',
  'a=rtcp-fb:96 nack pli',
  'a=rtcp-fb:96 ccm fir',
  'a=rtcp-fb:96 transport-cc',
  'a=framerate:30',
  'a=fmtp:96 packetization-mode=1;profile-level-id=42c01f;sprop-parameter-sets=Z0LAH9kAUAW7ARAAAAMAEAAAAwPI8YMkgA==,aMuDyyA=',
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  'a=extmap:1 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'a=ssrc-group:FID 3776670536 1127303366',
  'a=ssrc:3776670536 msid:user2073042@host-8b49d3c1 webrtctransceiver0',
  'a=ssrc:3776670536 cname:user2073042@host-8b49d3c1',
  'a=ssrc:1127303366 msid:user2073042@host-8b49d3c1 webrtctransceiver0',
  'a=ssrc:1127303366 cname:user2073042@host-8b49d3c1',
  'a=mid:video0',
  FINGERPRINT,
  'm=audio 0 UDP/TLS/RTP/SAVPF 98',
  'c=IN IP4 0.0.0.0',
  'a=setup:actpass',
  'a=ice-ufrag:fq2JKZ6Aw4LWnFUmZhSMLeX7TEWlIsXR',
  'a=ice-pwd:zRAGk4cQwYN6WQ2sJZYVDM5kkw2EhMDe',
  'a=bundle-only',
  'a=rtcp-mux',
  'a=rtcp-rsize',
  'a=sendonly',
  'a=rtpmap:98 OPUS/48000/2',
  'a=fmtp:98 sprop-stereo=1;sprop-maxcapturerate=48000',
  'a=ssrc:1127303370 msid:user2073042@host-8b49d3c1 webrtctransceiver1',
  'a=ssrc:1127303370 cname:user2073042@host-8b49d3c1',
  'a=mid:audio1',
  FINGERPRINT,
)

/** A browser that publishes three layers of VP8, RFC 8853. */
export const SIMULCAST_OFFER = sdp(
  'v=0',
  'o=- 4611731400430051336 2 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0',
  'a=extmap-allow-mixed',
  'a=msid-semantic: WMS 7b0d',
  'm=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104',
  'c=IN IP4 0.0.0.0',
  'a=rtcp:9 IN IP4 0.0.0.0',
  ...ICE,
  FINGERPRINT,
  'a=setup:actpass',
  'a=mid:0',
  'a=extmap:14 urn:ietf:params:rtp-hdrext:toffset',
  'a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
  'a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  'a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
  'a=sendonly',
  'a=msid:7b0d 4f22',
  'a=rtcp-mux',
  'a=rtcp-rsize',
  'a=rtpmap:96 VP8/90000',
  'a=rtcp-fb:96 goog-remb',
  'a=rtcp-fb:96 transport-cc',
  'a=rtcp-fb:96 ccm fir',
  'a=rtcp-fb:96 nack',
  'a=rtcp-fb:96 nack pli',
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  'a=rtpmap:103 H264/90000',
  'a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f',
  'a=rtpmap:104 rtx/90000',
  'a=fmtp:104 apt=103',
  'a=rid:q send',
  'a=rid:h send',
  'a=rid:f send',
  'a=simulcast:send q;h;f',
)

/** A player: it receives sound and pictures, in payload types of its own. */
export const PLAYER_OFFER = sdp(
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0 1',
  'a=extmap-allow-mixed',
  'm=audio 9 UDP/TLS/RTP/SAVPF 63 109',
  'c=IN IP4 0.0.0.0',
  ...ICE,
  FINGERPRINT,
  'a=setup:actpass',
  'a=mid:0',
  'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'a=recvonly',
  'a=rtcp-mux',
  'a=rtpmap:63 red/48000/2',
  'a=fmtp:63 109/109',
  'a=rtpmap:109 opus/48000/2',
  'a=fmtp:109 minptime=10;useinbandfec=1',
  'm=video 9 UDP/TLS/RTP/SAVPF 35 36 41 42 45',
  'c=IN IP4 0.0.0.0',
  ...ICE,
  FINGERPRINT,
  'a=setup:actpass',
  'a=mid:1',
  'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'a=recvonly',
  'a=rtcp-mux',
  'a=rtpmap:35 VP8/90000',
  'a=rtcp-fb:35 nack',
  'a=rtcp-fb:35 nack pli',
  'a=rtcp-fb:35 transport-cc',
  'a=rtpmap:36 rtx/90000',
  'a=fmtp:36 apt=35',
  'a=rtpmap:41 H264/90000',
  'a=rtcp-fb:41 nack pli',
  'a=fmtp:41 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f',
  'a=rtpmap:42 H264/90000',
  'a=rtcp-fb:42 nack pli',
  'a=fmtp:42 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
  'a=rtpmap:45 VP9/90000',
  'a=fmtp:45 profile-id=2',
)

/** Payload types of video as Safari 18 numbers them: both H.264 in both modes, and H.265 without a word about its profile. */
const SAFARI_VIDEO = [
  ...h264(96, '640c1f', 1),
  ...h264(98, '42e01f', 1),
  ...h264(100, '640c1f', 0),
  ...h264(102, '42e01f', 0),
  ...codec(104, 'H265/90000'),
  ...codec(106, 'VP8/90000'),
  ...codec(108, 'VP9/90000', 'profile-id=0'),
  ...codec(124, 'VP9/90000', 'profile-id=2'),
  ...codec(35, 'AV1/90000', 'level-idx=5;profile=0;tier=0'),
  ['112', 'a=rtpmap:112 red/90000'],
  ['113', 'a=rtpmap:113 rtx/90000', 'a=fmtp:113 apt=112'],
  ['114', 'a=rtpmap:114 ulpfec/90000'],
] as const
const SAFARI_EXTENSIONS = [
  'a=extmap:14 urn:ietf:params:rtp-hdrext:toffset',
  'a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'a=extmap:13 urn:3gpp:video-orientation',
  'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
  'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
  'a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  'a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
] as const

function codec(payloadType: number, name: string, format?: string): (readonly string[])[] {
  const feedback = ['goog-remb', 'transport-cc', 'ccm fir', 'nack', 'nack pli']
  const repair = payloadType + 1
  return [
    [
      String(payloadType),
      `a=rtpmap:${payloadType} ${name}`,
      ...feedback.map((each) => `a=rtcp-fb:${payloadType} ${each}`),
      ...(format === undefined ? [] : [`a=fmtp:${payloadType} ${format}`]),
    ],
    [String(repair), `a=rtpmap:${repair} rtx/90000`, `a=fmtp:${repair} apt=${payloadType}`],
  ]
}

function h264(payloadType: number, profile: string, mode: number): (readonly string[])[] {
  const format = `level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${profile}`
  return codec(payloadType, 'H264/90000', format)
}

/** A section of Safari's offer, with the lines about what Safari sends. */
function safariSection(kind: 'audio' | 'video', mid: number, direction: string, sends: readonly string[]) {
  const audio = [
    'a=rtpmap:111 opus/48000/2',
    'a=rtcp-fb:111 transport-cc',
    'a=fmtp:111 minptime=10;useinbandfec=1',
    'a=rtpmap:63 red/48000/2',
    'a=fmtp:63 111/111',
    'a=rtpmap:9 G722/8000',
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:8 PCMA/8000',
    'a=rtpmap:13 CN/8000',
    'a=rtpmap:110 telephone-event/48000',
    'a=rtpmap:126 telephone-event/8000',
  ]
  const payloads = kind === 'audio' ? '111 63 9 0 8 13 110 126' : SAFARI_VIDEO.map(([type]) => type).join(' ')
  return [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${payloads}`,
    'c=IN IP4 0.0.0.0',
    'a=rtcp:9 IN IP4 0.0.0.0',
    'a=ice-ufrag:/+pY',
    'a=ice-pwd:svCwcEunmp3xe5js1YGHMWI8',
    'a=ice-options:trickle',
    FINGERPRINT,
    'a=setup:actpass',
    `a=mid:${mid}`,
    ...(kind === 'audio' ? ['a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level'] : []),
    ...SAFARI_EXTENSIONS.slice(kind === 'audio' ? 5 : 0, kind === 'audio' ? 6 : undefined),
    `a=${direction}`,
    ...(sends.length > 0 ? ['a=msid:bc57 833d'] : []),
    'a=rtcp-mux',
    'a=rtcp-rsize',
    ...(kind === 'audio' ? audio : SAFARI_VIDEO.flatMap(([, ...lines]) => lines)),
    ...sends,
  ]
}

const safari = (...sections: readonly (readonly string[])[]): string =>
  sdp(
    'v=0',
    'o=- 985372420936776446 2 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    `a=group:BUNDLE ${sections.map((_, index) => index).join(' ')}`,
    'a=extmap-allow-mixed',
    'a=msid-semantic: WMS bc57',
    ...sections.flat(),
  )

/**
 * Safari 18 that publishes camera and microphone. Composed from parts of published offers, because no Safari runs here.
 * It is not a recording.
 */
export const SAFARI_OFFER = safari(
  safariSection('audio', 0, 'sendonly', ['a=ssrc:1853216270 cname:Kx3', 'a=ssrc:1853216270 msid:bc57 833d']),
  safariSection('video', 1, 'sendonly', [
    'a=ssrc-group:FID 2406719862 3215404117',
    'a=ssrc:2406719862 cname:Kx3',
    'a=ssrc:2406719862 msid:bc57 833d',
    'a=ssrc:3215404117 cname:Kx3',
    'a=ssrc:3215404117 msid:bc57 833d',
  ]),
)

/** Safari 18 that publishes three layers. Also composed. */
export const SAFARI_SIMULCAST_OFFER = safari(
  safariSection('video', 0, 'sendonly', [
    'a=rid:q send',
    'a=rid:h send',
    'a=rid:f send',
    'a=simulcast:send q;h;f',
  ]),
)

/** Safari 18 that watches, pictures first in the order of its transceivers. Also composed. */
export const SAFARI_PLAYER_OFFER = safari(
  safariSection('video', 0, 'recvonly', []),
  safariSection('audio', 1, 'recvonly', []),
)
