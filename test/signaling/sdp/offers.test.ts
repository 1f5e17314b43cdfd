import test, { type ExecutionContext } from 'ava'
import { parse } from 'sdp-transform'
import { CodedError } from '../../../common/errors.ts'
import { writeAnswer } from '../../../signaling/sdp/answer.ts'
import { readIceFragment } from '../../../signaling/sdp/ice-fragment.ts'
import { readOffer } from '../../../signaling/sdp/offer.ts'
import { publishedTracks } from '../../../signaling/sdp/published-tracks.ts'
import { viewedTracks } from '../../../signaling/sdp/viewed-tracks.ts'
import {
  GSTREAMER_OFFER,
  OBS_OFFER,
  PLAYER_OFFER,
  SAFARI_OFFER,
  SAFARI_PLAYER_OFFER,
  SAFARI_SIMULCAST_OFFER,
  SIMULCAST_OFFER,
} from '../../support/offers.ts'
import { SUPPORTED, TCC, TRANSPORT, extensionUri as uri } from '../../support/sdp-rig.ts'

/** Offers of clients -> mediasoup's parameters and answers. What mediasoup makes of them, mutations.test.ts and the tests end to end show. */

const tracksOf = (sdp: string) => publishedTracks(readOffer(sdp), SUPPORTED, 'cam')
const refusal = (t: ExecutionContext, make: () => unknown): CodedError =>
  t.throws(make, { instanceOf: CodedError })!

test('OBS: no candidates, SSRCs, H.264 and Opus', (t) => {
  const [audio, pictures] = tracksOf(OBS_OFFER)
  t.deepEqual(audio?.rtpParameters.encodings, [{ ssrc: 1_284_120_104 }])
  t.is(audio?.rtpParameters.codecs[0]?.parameters?.['sprop-stereo'], 1)
  t.deepEqual(pictures?.rtpParameters.encodings, [{ ssrc: 1_284_120_105 }])
  t.is(pictures?.rtpParameters.codecs[0]?.payloadType, 96)
  t.is(pictures?.rtpParameters.rtcp?.cname, audio?.rtpParameters.rtcp?.cname)

  const answer = writeAnswer(readOffer(OBS_OFFER), TRANSPORT, [audio!.answer, pictures!.answer])
  t.regex(answer, /^v=0\r\n/)
  const { media, groups } = parse(answer)
  t.deepEqual(groups, [{ type: 'BUNDLE', mids: '0 1' }])
  t.deepEqual(
    media.map(({ type, port, mid, direction, setup }) => [type, port, String(mid), direction, setup]),
    [
      ['audio', 9, '0', 'recvonly', 'passive'],
      ['video', 9, '1', 'recvonly', 'passive'],
    ],
  )
  // The publisher is answered in its own words.
  t.is(
    media[0]?.fmtp[0]?.config,
    'minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1',
  )
  t.regex(media[1]?.fmtp[0]?.config ?? '', /profile-level-id=42e01f/)
  t.is(media[1]?.candidates?.[0]?.ip, '192.0.2.7')
})

test('GStreamer: bundle-only sections, its own names, RTX, transport-cc', (t) => {
  const [pictures, audio] = tracksOf(GSTREAMER_OFFER)
  t.deepEqual(pictures?.rtpParameters.encodings, [{ ssrc: 3_776_670_536, rtx: { ssrc: 1_127_303_366 } }])
  t.deepEqual(
    pictures?.rtpParameters.codecs.map(({ mimeType, payloadType }) => [mimeType, payloadType]),
    [
      ['video/H264', 96],
      ['video/rtx', 97],
    ],
  )
  // Declared as every H.264 here, whatever the encoder makes.
  t.is(pictures?.rtpParameters.codecs[0]?.parameters?.['profile-level-id'], '42e01f')
  t.deepEqual(pictures?.rtpParameters.headerExtensions, [{ id: 1, uri: uri(TCC) }])
  t.true(pictures?.answer.feedback.some(({ type }) => type === 'transport-cc'))
  t.is(audio?.rtpParameters.codecs[0]?.mimeType, 'audio/opus')
  t.is(audio?.rtpParameters.mid, 'audio1')
})

test('Safari: the plain profile of H.264 of all it has, in fragments, with what repairs it', (t) => {
  const [sound, pictures] = tracksOf(SAFARI_OFFER)
  t.is(sound?.rtpParameters.codecs[0]?.payloadType, 111)
  t.deepEqual(sound?.rtpParameters.encodings, [{ ssrc: 1_853_216_270 }])
  t.deepEqual(
    pictures?.rtpParameters.codecs.map(({ mimeType, payloadType }) => [mimeType, payloadType]),
    [
      ['video/H264', 98],
      ['video/rtx', 99],
    ],
  )
  t.deepEqual(pictures?.rtpParameters.encodings, [{ ssrc: 2_406_719_862, rtx: { ssrc: 3_215_404_117 } }])
  const layered = tracksOf(SAFARI_SIMULCAST_OFFER)[0]
  t.deepEqual(layered?.rtpParameters.encodings, [{ rid: 'q' }, { rid: 'h' }, { rid: 'f' }])

  const played = (video: string) =>
    viewedTracks(readOffer(SAFARI_PLAYER_OFFER), { audio: 'audio/opus', video }, [], 'cam').routerCodecs.map(
      ({ preferredPayloadType }) => preferredPayloadType,
    )
  t.deepEqual(played('video/H264'), [111, 98])
  t.deepEqual(played('video/VP8'), [111, 106])
  t.deepEqual(played('video/VP9'), [111, 108])
  t.deepEqual(played('video/AV1'), [111, 35])
  const { media } = parse(
    writeAnswer(
      readOffer(SAFARI_PLAYER_OFFER),
      TRANSPORT,
      viewedTracks(readOffer(SAFARI_PLAYER_OFFER), { audio: 'audio/opus', video: 'video/H264' }, [], 'cam')
        .answers,
    ),
  )
  t.deepEqual(
    media.map(({ type, mid, direction }) => [type, String(mid), direction]),
    [
      ['video', '0', 'sendonly'],
      ['audio', '1', 'sendonly'],
    ],
    'sections stay in the order of the offer',
  )
})

test('simulcast: layers from the smallest on, whatever their order', (t) => {
  const ridsOf = (sdp: string) => tracksOf(sdp)[0]?.rtpParameters.encodings?.map(({ rid }) => rid)
  t.deepEqual(ridsOf(SIMULCAST_OFFER), ['q', 'h', 'f'])
  t.deepEqual(ridsOf(SIMULCAST_OFFER.replace('send q;h;f', 'send f;h;q')), ['q', 'h', 'f'])
  const named = (a: string, b: string, c: string) =>
    SIMULCAST_OFFER.replace('a=rid:q send', `a=rid:${a}`)
      .replace('a=rid:h send', `a=rid:${b}`)
      .replace('a=rid:f send', `a=rid:${c}`)
      .replace('send q;h;f', `send ${[a, b, c].map((each) => each.split(' ')[0]).join(';')}`)
  // OBS numbers them from the largest on.
  t.deepEqual(ridsOf(named('0 send', '1 send', '2 send')), ['2', '1', '0'])
  t.deepEqual(ridsOf(named('x send max-width=1280', 'y send max-width=320', 'z send max-width=640')), [
    'y',
    'z',
    'x',
  ])
  t.deepEqual(ridsOf(named('a send', 'b send', 'c send')), ['a', 'b', 'c'])

  const offer = readOffer(SIMULCAST_OFFER)
  const [section] = parse(writeAnswer(offer, TRANSPORT, [tracksOf(SIMULCAST_OFFER)[0]!.answer])).media
  t.deepEqual(section?.simulcast, { dir1: 'recv', list1: 'q;h;f' })
  t.deepEqual(
    section?.rids?.map(({ id, direction }) => `${id} ${direction}`),
    ['q recv', 'h recv', 'f recv'],
  )
})

test('a player gets the codec of the stream in its own payload types', (t) => {
  const viewed = (codecs: { audio: string | null; video: string | null }, sdp = PLAYER_OFFER) =>
    viewedTracks(readOffer(sdp), codecs, SUPPORTED.headerExtensions ?? [], 'cam')
  const types = (tracks: ReturnType<typeof viewed>) =>
    tracks.routerCodecs.map(({ mimeType, preferredPayloadType }) => `${mimeType} ${preferredPayloadType}`)
  t.deepEqual(types(viewed({ audio: 'audio/opus', video: 'video/H264' })), [
    'audio/opus 109',
    'video/H264 42',
  ])
  t.deepEqual(types(viewed({ audio: null, video: 'video/VP8' })), ['audio/opus 109', 'video/VP8 35'])
  // Nobody knows what pictures may come to a stream of sound.
  const sound = viewed({ audio: 'audio/opus', video: null })
  t.deepEqual(types(sound), ['audio/opus 109'])
  const { media, groups } = parse(writeAnswer(readOffer(PLAYER_OFFER), TRANSPORT, sound.answers))
  t.deepEqual(
    media.map(({ port }) => port),
    [9, 0],
  )
  t.deepEqual(String(groups?.[0]?.mids), '0')

  // Routers write header extensions with ids of their own: the client's must be the same.
  const same = PLAYER_OFFER.replace(`a=extmap:3 ${TCC}`, `a=extmap:5 ${TCC}`)
  const extensionsOf = (sdp: string) =>
    viewed({ audio: null, video: 'video/VP8' }, sdp).answers.flatMap(({ extensions }) => extensions)
  t.deepEqual(extensionsOf(PLAYER_OFFER), [])
  t.deepEqual(extensionsOf(same), [{ id: 5, uri: TCC }])
})

test('a player without the codec is told what is available', (t) => {
  const { status, code, details } = refusal(t, () =>
    viewedTracks(readOffer(PLAYER_OFFER), { audio: 'audio/opus', video: 'video/VP9' }, [], 'cam'),
  )
  t.deepEqual([status, code], [406, 'no_common_codec'])
  t.deepEqual(details, [
    'available: VP9 (profile-id 0), opus (48000/2)',
    'offered for audio: opus (48000/2)',
    'offered for video: VP8, H264, VP9 (profile-id 2)',
    'VP9: offer it with profile-id=0 (8 bits, 4:2:0), or without profile-id',
  ])
})

test('a codec that fits by its name alone is refused with what to change', (t) => {
  const viewing = (sdp: string, video: string) =>
    refusal(t, () => viewedTracks(readOffer(sdp), { audio: 'audio/opus', video }, [], 'cam')).details
  const single = PLAYER_OFFER.replace('packetization-mode=1', 'packetization-mode=0')
  const h264 = viewing(single, 'video/H264')
  t.is(h264[0], 'available: H264 (packetization-mode 1, any profile-level-id), opus (48000/2)')
  t.is(
    h264[2],
    'offered for video: VP8, H264 (packetization-mode 0, profile-level-id 42e01f), VP9',
    'each kind once',
  )
  t.regex(h264[3] ?? '', /^H264: offer it with packetization-mode=1 as well: /)
  t.is(h264.length, 4)

  const mono = viewing(PLAYER_OFFER.replace('109 opus/48000/2', '109 opus/48000'), 'video/VP8')
  t.is(mono[1], 'offered for audio: opus (48000/1)')
  t.regex(mono[3] ?? '', /^opus: a=rtpmap must say opus\/48000\/2, /)
  const deep = viewing(PLAYER_OFFER.replace('VP8/90000', 'AV1/90000\r\na=fmtp:35 profile=1'), 'video/AV1')
  t.regex(deep[2] ?? '', /AV1 \(profile 1\)/)
  t.regex(deep[3] ?? '', /^AV1: offer it with profile=0 /)

  const publishing = (sdp: string) => refusal(t, () => tracksOf(sdp)).details
  t.deepEqual(publishing(OBS_OFFER.replace('opus/48000/2', 'opus/48000')).slice(0, 2), [
    'offered: opus (48000/1)',
    'available: opus (48000/2)',
  ])
  t.regex(publishing(OBS_OFFER.replace('opus/48000/2', 'opus/48000'))[2] ?? '', /^opus: a=rtpmap must say/)
  // What is published in single packets is forwarded in single packets.
  t.is(tracksOf(OBS_OFFER.replace('packetization-mode=1', 'packetization-mode=0')).length, 2)
})

test('broken offers: what is wrong, and where', (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /it is empty/],
    ['hello', /line 1: must be `v=0`/],
    [OBS_OFFER.replace('a=mid:1', 'mid 1'), /^line \d+: must be `<letter>=<value>`$/],
    [OBS_OFFER.replaceAll('a=rtcp-mux\r\n', ''), /media section 1 \(audio, mid 0\): a=rtcp-mux is missing/],
    [OBS_OFFER.replace('a=ice-ufrag:zjkk\r\n', ''), /a=ice-ufrag is missing/],
    [OBS_OFFER.replace('a=ice-ufrag:zjkk', 'a=ice-ufrag:z'), /a=ice-ufrag: /],
    [OBS_OFFER.replace('sha-256', 'md5'), /hash function must be one of sha-1/],
    [OBS_OFFER.replace('a=setup:actpass', 'a=setup:holdconn'), /a=setup: must be actpass/],
    [OBS_OFFER.replace('a=mid:1', 'a=mid:0'), /another section has the same a=mid/],
    [OBS_OFFER.replace('BUNDLE 0 1', 'BUNDLE 0'), /media section 2 .*: must be in a=group:BUNDLE/],
    [OBS_OFFER.replaceAll('UDP/TLS/RTP/SAVPF', 'RTP/AVP'), /protocol RTP\/AVP: must be UDP\/TLS\/RTP\/SAVPF/],
    [OBS_OFFER.replaceAll('sendonly', 'recvonly'), /no media section sends anything/],
    [OBS_OFFER.replaceAll('1284120105', '1284120104'), /a=ssrc:1284120104: names two streams/],
    [SIMULCAST_OFFER.replace('send q;h;f', 'send q;q'), /a=simulcast names a layer twice/],
    [`${OBS_OFFER}${'a=x:y\r\n'.repeat(12_000)}`, /longer than 65536 bytes/],
  ]
  for (const [sdp, expected] of cases) {
    const { status, code, details } = refusal(t, () => tracksOf(sdp))
    t.deepEqual([status, code], [400, 'bad_sdp'], String(expected))
    t.true(
      details.some((line) => expected.test(line)),
      `${expected}: ${details.join('; ')}`,
    )
  }
  const none = refusal(t, () => tracksOf(OBS_OFFER.replace('H264/90000', 'H265/90000')))
  t.deepEqual([none.status, none.code], [406, 'no_common_codec'])
  t.deepEqual(none.details, ['offered: H265', 'available: H264, VP8'])
  const twice = OBS_OFFER.replace('m=video', 'm=audio').replace('H264/90000', 'opus/48000/2')
  t.is(refusal(t, () => tracksOf(twice)).status, 422)
})

test('ICE fragments: candidates, credentials, and what is neither', (t) => {
  const candidate = 'a=candidate:1 1 udp 2130706431 192.0.2.1 54321 typ host'
  const section = 'm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0'
  t.deepEqual(readIceFragment(`${section}\r\n${candidate}\r\na=end-of-candidates\r\n`), {
    credentials: null,
    candidates: 1,
  })
  const credentials = 'a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1'
  t.deepEqual(readIceFragment(`${credentials}\r\n${section}\r\n`).credentials, {
    usernameFragment: 'EsAw',
    password: 'P2uYro0UCOQ4zxjKXaWCBui1',
  })
  for (const broken of [
    'hello',
    'v=0\r\n',
    'a=ice-ufrag:EsAw\r\n',
    `${section}\r\na=candidate:nonsense\r\n`,
    'a=ice-ufrag:E\r\na=ice-pwd:short\r\n',
  ])
    t.is(refusal(t, () => readIceFragment(broken)).code, 'bad_sdp', broken)
})
