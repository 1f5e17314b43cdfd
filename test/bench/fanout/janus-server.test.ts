import test from 'ava'
import { parse } from 'sdp-transform'
import { answerTo, viewerOf } from './janus-server.ts'

const OFFER = `v=0
o=- 1795993799634208 1 IN IP4 192.0.2.2
s=Mountpoint 1
t=0 0
a=group:BUNDLE v
a=fingerprint:sha-256 F1:9E
a=ice-lite
m=video 9 UDP/TLS/RTP/SAVPF 102 103
c=IN IP4 192.0.2.2
a=sendonly
a=mid:v
a=rtcp-mux
a=ice-ufrag:Z2IL
a=ice-pwd:TY/Z/8p6ceg1tQh5jFct2Y
a=setup:actpass
a=rtpmap:102 H264/90000
a=rtcp-fb:102 nack
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=fmtp:102 packetization-mode=1
a=rtpmap:103 rtx/90000
a=fmtp:103 apt=102
a=ssrc-group:FID 3447852414 174169659
a=ssrc:3447852414 cname:janus
a=ssrc:174169659 cname:janus
a=candidate:1 1 udp 2015363839 fe80::1 39501 typ host
a=candidate:2 1 udp 2015363327 192.0.2.2 38847 typ host
`.replaceAll('\n', '\r\n')

test('a viewer finds in the offer of Janus where it listens and what it sends', (t) => {
  t.deepEqual(viewerOf(parse(OFFER)), {
    ip: '192.0.2.2',
    port: 38847,
    ice: { usernameFragment: 'Z2IL', password: 'TY/Z/8p6ceg1tQh5jFct2Y' },
    ssrc: 3447852414,
    feedback: null,
  })
})

test('an offer without a candidate is refused', (t) => {
  const offer = OFFER.split('\r\n')
    .filter((line) => !line.startsWith('a=candidate'))
    .join('\r\n')
  t.throws(() => viewerOf(parse(offer)), { message: /lacks/ })
})

test('the answer takes what is offered, as the active end that only receives', (t) => {
  const [video] = parse(answerTo(parse(OFFER), 'AB:CD')).media
  t.is(video?.setup, 'active')
  t.is(video?.direction, 'recvonly')
  t.is(video?.payloads, '102 103')
  t.deepEqual(video?.fingerprint, { type: 'sha-256', hash: 'AB:CD' })
  t.deepEqual(video?.rtcpFb, [{ payload: 102, type: 'nack' }])
  t.deepEqual(
    video?.fmtp.map(({ config }) => config),
    ['packetization-mode=1', 'apt=102'],
  )
  t.is(video?.iceUfrag, 'bench')
})
