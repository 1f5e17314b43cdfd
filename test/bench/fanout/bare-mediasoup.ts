import { createWorker } from 'mediasoup'
import { ROUTER_CODECS } from '../../../sfu/router-codecs.ts'
import { workerBinary } from '../../../sfu/worker-binary.ts'
import { type OpenServer, START_KBPS } from './fanout-side.ts'
import { mediasoupInputs, mediasoupViewer } from './mediasoup-viewer.ts'
import { EXTENSIONS } from './picture-source.ts'

const PAYLOAD_TYPE = 102

/** mediasoup alone, with its defaults: a plain transport in, a WebRTC transport and a consumer for each viewer. */
export const openBareMediasoup: OpenServer = async (rtpPort, renditions) => {
  const worker = await createWorker({ workerBin: workerBinary() })
  const router = await worker.createRouter({ mediaCodecs: ROUTER_CODECS })
  const plain = await router.createPlainTransport({ listenInfo: { protocol: 'udp', ip: '127.0.0.1' } })
  await plain.connect({ ip: '127.0.0.1', port: rtpPort })
  const producer = await plain.produce({
    kind: 'video',
    rtpParameters: {
      codecs: [
        {
          mimeType: 'video/H264',
          payloadType: PAYLOAD_TYPE,
          clockRate: 90_000,
          parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
          rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
        },
      ],
      headerExtensions: Object.values(EXTENSIONS),
      encodings: Array.from({ length: renditions }, (_, index) => ({ ssrc: 1000 + index })),
    },
  })
  return {
    pid: worker.pid,
    inputs: mediasoupInputs(producer, { ip: '127.0.0.1', port: plain.tuple.localPort }),
    async addViewer(dtlsParameters) {
      const transport = await router.createWebRtcTransport({
        listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }],
        initialAvailableOutgoingBitrate: START_KBPS * 1000,
      })
      await transport.connect({ dtlsParameters })
      const consumer = await transport.consume({
        producerId: producer.id,
        rtpCapabilities: router.rtpCapabilities,
      })
      return mediasoupViewer(transport, consumer.rtpParameters)
    },
    async [Symbol.asyncDispose]() {
      worker.close()
    },
  }
}
