/** Offers in the shapes of more clients, with what is odd in each. Each can be changed by replacing its lines. */

const hex = (from: number, bytes: number) =>
  Array.from({ length: bytes }, (_, index) =>
    ((from + index) % 256).toString(16).padStart(2, '0').toUpperCase(),
  ).join(':')

const sdp = (...lines: readonly string[]): string => `${lines.join('\r\n')}\r\n`

/** ffmpeg's `whip` muxer: DTLS server, another origin's name, and `BUNDLE 0 1` even without sound. */
export const FFMPEG_OFFER = sdp(
  ...['v=0', 'o=FFmpeg 4489045141692799359 2 IN IP4 127.0.0.1', 's=FFmpegPublishSession', 't=0 0'],
  ...['a=group:BUNDLE 0 1', 'a=extmap-allow-mixed', 'a=msid-semantic: WMS'],
  ...['m=audio 9 UDP/TLS/RTP/SAVPF 111', 'c=IN IP4 0.0.0.0'],
  ...['a=ice-ufrag:1ac08523', 'a=ice-pwd:fb55f4f4d99d240fa65c2adfec5e7c24'],
  ...[
    `a=fingerprint:sha-256 ${hex(1, 32)}`,
    'a=setup:passive',
    'a=mid:0',
    'a=sendonly',
    'a=msid:FFmpeg audio',
  ],
  ...[
    'a=rtcp-mux',
    'a=rtpmap:111 opus/48000/2',
    'a=ssrc:492341693 cname:FFmpeg',
    'a=ssrc:492341693 msid:FFmpeg audio',
  ],
  ...['m=video 9 UDP/TLS/RTP/SAVPF 106 105', 'c=IN IP4 0.0.0.0'],
  ...['a=ice-ufrag:1ac08523', 'a=ice-pwd:fb55f4f4d99d240fa65c2adfec5e7c24'],
  ...[
    `a=fingerprint:sha-256 ${hex(1, 32)}`,
    'a=setup:passive',
    'a=mid:1',
    'a=sendonly',
    'a=msid:FFmpeg video',
  ],
  ...['a=rtcp-mux', 'a=rtcp-rsize', 'a=rtpmap:106 H264/90000'],
  'a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001e',
  ...['a=rtcp-fb:106 nack', 'a=rtpmap:105 rtx/90000', 'a=fmtp:105 apt=106'],
  ...['a=ssrc-group:FID 2806541432 2806541433', 'a=ssrc:2806541432 cname:FFmpeg'],
  ...[
    'a=ssrc:2806541432 msid:FFmpeg video',
    'a=ssrc:2806541433 cname:FFmpeg',
    'a=ssrc:2806541433 msid:FFmpeg video',
  ],
)

/** ffmpeg without sound. */
export const FFMPEG_SILENT_OFFER = FFMPEG_OFFER.replace(/m=audio[\s\S]*?(?=m=video)/, '')

/** pion: the fingerprint for the whole session, feedback with a space at its end, candidates and their end in the offer. */
export const PION_OFFER = sdp(
  ...['v=0', 'o=- 8714229912741402133 1732924800 IN IP4 0.0.0.0', 's=-', 't=0 0', 'a=msid-semantic:WMS*'],
  ...[`a=fingerprint:sha-256 ${hex(7, 32)}`, 'a=extmap-allow-mixed', 'a=group:BUNDLE 0 1'],
  ...['m=audio 9 UDP/TLS/RTP/SAVPF 111', 'c=IN IP4 0.0.0.0', 'a=setup:actpass', 'a=mid:0'],
  ...[
    'a=ice-ufrag:KqZtYbWcXvNmLpQr',
    'a=ice-pwd:SdFgHjKlZxCvBnMqWeRtYuIoPaSdFgHj',
    'a=rtcp-mux',
    'a=rtcp-rsize',
  ],
  ...['a=rtpmap:111 opus/48000/2', 'a=fmtp:111 minptime=10;useinbandfec=1', 'a=rtcp-fb:111 transport-cc '],
  ...['a=ssrc:2011348177 cname:pion', 'a=ssrc:2011348177 msid:pion audio', 'a=msid:pion audio', 'a=sendrecv'],
  'a=candidate:4108413338 1 udp 2130706431 192.0.2.7 51044 typ host ufrag KqZtYbWcXvNmLpQr',
  'a=candidate:233762139 1 tcp 1671430143 192.0.2.7 8443 typ host tcptype passive ufrag KqZtYbWcXvNmLpQr',
  'a=candidate:1026842371 1 udp 1694498815 203.0.113.9 51045 typ srflx raddr 0.0.0.0 rport 51045 ufrag KqZtYbWcXvNmLpQr',
  'a=end-of-candidates',
  ...['m=video 9 UDP/TLS/RTP/SAVPF 96 97', 'c=IN IP4 0.0.0.0', 'a=setup:actpass', 'a=mid:1'],
  ...[
    'a=ice-ufrag:KqZtYbWcXvNmLpQr',
    'a=ice-pwd:SdFgHjKlZxCvBnMqWeRtYuIoPaSdFgHj',
    'a=rtcp-mux',
    'a=rtcp-rsize',
  ],
  ...[
    'a=rtpmap:96 VP8/90000',
    'a=rtcp-fb:96 goog-remb ',
    'a=rtcp-fb:96 ccm fir',
    'a=rtcp-fb:96 nack ',
    'a=rtcp-fb:96 nack pli',
  ],
  ...['a=rtpmap:97 rtx/90000', 'a=fmtp:97 apt=96'],
  ...[
    'a=ssrc-group:FID 3370125894 1120431234',
    'a=ssrc:3370125894 cname:pion',
    'a=ssrc:1120431234 cname:pion',
  ],
  ...['a=msid:pion video', 'a=sendrecv'],
)

/** aiortc: a fingerprint of each hash, `a=rtcp`, candidates in each section, `actpass` and nothing at the session. */
const AIORTC_TRANSPORT = [
  'a=candidate:5bcf54e8e75f2d3d6ac6a3f6ac5a4d34 1 udp 2130706431 192.0.2.8 40211 typ host',
  'a=end-of-candidates',
  ...['a=ice-ufrag:t6rU', 'a=ice-pwd:0WyzkmqdPVS9hpGZqDjnJv'],
  ...[
    `a=fingerprint:sha-256 ${hex(3, 32)}`,
    `a=fingerprint:sha-384 ${hex(4, 48)}`,
    `a=fingerprint:sha-512 ${hex(5, 64)}`,
  ],
  'a=setup:actpass',
]
export const AIORTC_OFFER = sdp(
  ...[
    'v=0',
    'o=- 3941915123 3941915123 IN IP4 0.0.0.0',
    's=-',
    't=0 0',
    'a=group:BUNDLE 0 1',
    'a=msid-semantic:WMS *',
  ],
  ...['m=audio 40211 UDP/TLS/RTP/SAVPF 96 0 8', 'c=IN IP4 192.0.2.8', 'a=sendonly'],
  ...[
    'a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid',
    'a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
    'a=mid:0',
  ],
  ...['a=msid:6a9f 1b2c', 'a=rtcp:9 IN IP4 0.0.0.0', 'a=rtcp-mux', 'a=ssrc:2411973126 cname:1f9a'],
  ...['a=rtpmap:96 opus/48000/2', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:8 PCMA/8000', ...AIORTC_TRANSPORT],
  ...['m=video 40211 UDP/TLS/RTP/SAVPF 97 98 99 100', 'c=IN IP4 192.0.2.8', 'a=sendonly'],
  ...[
    'a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid',
    'a=mid:1',
    'a=msid:6a9f 7d3e',
    'a=rtcp:9 IN IP4 0.0.0.0',
  ],
  ...[
    'a=rtcp-mux',
    'a=ssrc-group:FID 1907235218 3307284761',
    'a=ssrc:1907235218 cname:1f9a',
    'a=ssrc:3307284761 cname:1f9a',
  ],
  ...['a=rtpmap:97 VP8/90000', 'a=rtcp-fb:97 nack', 'a=rtcp-fb:97 nack pli', 'a=rtcp-fb:97 goog-remb'],
  ...['a=rtpmap:98 rtx/90000', 'a=fmtp:98 apt=97', 'a=rtpmap:99 H264/90000', 'a=rtcp-fb:99 nack pli'],
  'a=fmtp:99 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
  ...['a=rtpmap:100 rtx/90000', 'a=fmtp:100 apt=99', ...AIORTC_TRANSPORT],
)

/** A GStreamer player (`whepsrc`): codecs in capital letters, and no `a=fmtp` for H.264, whose fragments it puts together. */
export const GSTREAMER_PLAYER_OFFER = sdp(
  ...[
    'v=0',
    'o=- 7710834412 0 IN IP4 0.0.0.0',
    's=-',
    't=0 0',
    'a=ice-options:trickle',
    'a=group:BUNDLE video0 audio1',
  ],
  ...['m=video 9 UDP/TLS/RTP/SAVPF 101 102', 'c=IN IP4 0.0.0.0', 'a=setup:actpass'],
  ...['a=ice-ufrag:0CkWVUSTyPFoUoNUpAvQPZoRZpSUCK2Q', 'a=ice-pwd:Yq3U9pVXUgGLTSvCwRKaWQmXgBYdP8Nk'],
  ...['a=rtcp-mux', 'a=rtcp-rsize', 'a=recvonly', 'a=rtpmap:101 VP8/90000', 'a=rtcp-fb:101 nack pli'],
  ...[
    'a=rtpmap:102 H264/90000',
    'a=rtcp-fb:102 nack pli',
    'a=mid:video0',
    `a=fingerprint:sha-256 ${hex(9, 32)}`,
  ],
  ...['m=audio 0 UDP/TLS/RTP/SAVPF 111', 'c=IN IP4 0.0.0.0', 'a=setup:actpass', 'a=bundle-only'],
  ...['a=ice-ufrag:0CkWVUSTyPFoUoNUpAvQPZoRZpSUCK2Q', 'a=ice-pwd:Yq3U9pVXUgGLTSvCwRKaWQmXgBYdP8Nk'],
  ...[
    'a=rtcp-mux',
    'a=recvonly',
    'a=rtpmap:111 OPUS/48000/2',
    'a=mid:audio1',
    `a=fingerprint:sha-256 ${hex(9, 32)}`,
  ],
)
