import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import type { types } from 'mediasoup'
import { createWorker } from 'mediasoup'
import { RTCPeerConnection, type RtpPacket, useH264 } from 'werift'
import { workerBinary } from '../../sfu/worker-binary.ts'

// What is proved here is the binary that set-up made: OpenSSL (a DTLS handshake in which kernel TLS must stay off),
// the SRTP shim in both directions and with each cipher, flatbuffers, the hash containers, the shared server port.

const h264 = { 'packetization-mode': 1, 'profile-level-id': '42e01f' }
const suites = [
  'AEAD_AES_256_GCM',
  'AEAD_AES_128_GCM',
  'AES_CM_128_HMAC_SHA1_80',
  'AES_CM_128_HMAC_SHA1_32',
] as const
const loopback = { protocol: 'udp', ip: '127.0.0.1' } as const

async function startRouter(t: { teardown(run: () => void): void }) {
  const worker = await createWorker({ workerBin: workerBinary(), logLevel: 'warn' })
  t.teardown(() => worker.close())
  const router = await worker.createRouter({
    mediaCodecs: [
      { kind: 'video', mimeType: 'video/H264', clockRate: 90_000, parameters: h264 },
      { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
    ],
  })
  const input = await router.createPlainTransport({ listenInfo: loopback, comedia: true, rtcpMux: true })
  const producer = await input.produce(videoOf(102, 0x11223344))
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  return { worker, router, producer, feed: (index: number) => sendSps(socket, input.tuple.localPort, index) }
}

function videoOf(payloadType: number, ssrc: number): types.ProducerOptions {
  return {
    kind: 'video',
    rtpParameters: {
      codecs: [{ mimeType: 'video/H264', payloadType, clockRate: 90_000, parameters: h264 }],
      encodings: [{ ssrc }],
      rtcp: { cname: 'field' },
    },
  }
}

/**
 * A single NAL unit (RFC 6184 section 5.6), then bytes that tell packets apart. It is an SPS (type 7), for that is
 * what mediasoup takes for a keyframe, and it forwards nothing before one.
 */
function sps(index: number): Buffer {
  return Buffer.concat([Buffer.from([0x67]), Buffer.alloc(900, index)])
}

function sendSps(socket: Socket, port: number, index: number): void {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(0x8000 | 0x80 | 102, 0)
  header.writeUInt16BE(1000 + index, 2)
  header.writeUInt32BE(3000 * index, 4)
  header.writeUInt32BE(0x11223344, 8)
  socket.send(Buffer.concat([header, sps(index)]), port, '127.0.0.1')
}

/** Feeds packets until `done`, for at most 5 s. */
async function feedUntil(
  feed: (index: number) => void,
  done: () => boolean | Promise<boolean>,
): Promise<boolean> {
  for (let index = 0; index < 250; index++) {
    if (await done()) return true
    feed(index)
    await delay(20)
  }
  return false
}

test('a WebRTC peer shakes hands on the shared port and decrypts what came in as plain RTP', async (t) => {
  const { worker, router, producer, feed } = await startRouter(t)
  const webRtcServer = await worker.createWebRtcServer({
    listenInfos: [loopback, { ...loopback, protocol: 'tcp' }],
  })
  const transport = await router.createWebRtcTransport({ webRtcServer })
  const consumer = await transport.consume({
    producerId: producer.id,
    rtpCapabilities: router.rtpCapabilities,
  })

  const peer = new RTCPeerConnection({
    iceAdditionalHostAddresses: ['127.0.0.1'],
    codecs: { video: [useH264()] },
  })
  t.teardown(() => peer.close())
  const received: RtpPacket[] = []
  peer.onTrack.subscribe((track) => {
    track.onReceiveRtp.subscribe((packet) => void received.push(packet))
  })
  await peer.setRemoteDescription({ type: 'offer', sdp: offer(transport, consumer) })
  const answer = await peer.createAnswer()
  await peer.setLocalDescription(answer)
  const sdp = answer.sdp
  const fingerprint = /a=fingerprint:sha-256 (\S+)/.exec(sdp)?.[1]
  await transport.connect({
    dtlsParameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: fingerprint ?? '' }] },
  })

  t.true(await feedUntil(feed, () => received.length >= 20))
  t.is(transport.dtlsState, 'connected')
  for (const packet of received) t.deepEqual(packet.payload, sps(packet.payload[1] ?? 0))
})

for (const srtpCryptoSuite of suites) {
  test(`plain transports protect and unprotect with ${srtpCryptoSuite}`, async (t) => {
    const { router, producer, feed } = await startRouter(t)
    const encrypted = { listenInfo: loopback, rtcpMux: true, enableSrtp: true, srtpCryptoSuite }
    const sending = await router.createPlainTransport(encrypted)
    const receiving = await router.createPlainTransport(encrypted)
    for (const [one, other] of [
      [sending, receiving],
      [receiving, sending],
    ] as const) {
      const srtpParameters = other.srtpParameters
      t.truthy(srtpParameters)
      await one.connect({
        ip: '127.0.0.1',
        port: other.tuple.localPort,
        ...(srtpParameters && { srtpParameters }),
      })
    }
    const consumer = await sending.consume({
      producerId: producer.id,
      rtpCapabilities: router.rtpCapabilities,
    })
    const { codecs, encodings } = consumer.rtpParameters
    const arrived = await receiving.produce(videoOf(codecs[0]!.payloadType, encodings![0]!.ssrc!))
    t.true(
      await feedUntil(feed, async () => {
        const [stream] = await arrived.getStats()
        return (stream?.packetCount ?? 0) >= 20
      }),
    )
  })
}

/** An SDP offer (RFC 8839, RFC 8842) to receive `consumer` on `transport`. */
function offer(transport: types.WebRtcTransport, consumer: types.Consumer): string {
  const codec = consumer.rtpParameters.codecs[0]!
  const fingerprint = transport.dtlsParameters.fingerprints.find((one) => one.algorithm === 'sha-256')!
  return [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=ice-lite',
    'a=group:BUNDLE 0',
    `m=video 7 UDP/TLS/RTP/SAVPF ${codec.payloadType}`,
    'c=IN IP4 127.0.0.1',
    'a=mid:0',
    'a=sendonly',
    'a=rtcp-mux',
    `a=ice-ufrag:${transport.iceParameters.usernameFragment}`,
    `a=ice-pwd:${transport.iceParameters.password}`,
    `a=fingerprint:sha-256 ${fingerprint.value}`,
    'a=setup:actpass',
    ...transport.iceCandidates
      .filter((one) => one.protocol === 'udp')
      .map(
        (one) => `a=candidate:${one.foundation} 1 udp ${one.priority} ${one.address} ${one.port} typ host`,
      ),
    'a=end-of-candidates',
    `a=rtpmap:${codec.payloadType} H264/90000`,
    `a=fmtp:${codec.payloadType} packetization-mode=1;profile-level-id=42e01f`,
    `a=ssrc:${consumer.rtpParameters.encodings![0]!.ssrc} cname:field`,
    '',
  ].join('\r\n')
}
