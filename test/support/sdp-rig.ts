import type { types } from 'mediasoup'

const NACK = { type: 'nack', parameter: '' }
const PLI = { type: 'nack', parameter: 'pli' }
const TRANSPORT_CC = { type: 'transport-cc', parameter: '' }
const video = (mimeType: string, pt: number): types.RtpCodecCapability => ({
  kind: 'video',
  mimeType,
  clockRate: 90_000,
  preferredPayloadType: pt,
  rtcpFeedback: [NACK, PLI, { type: 'goog-remb', parameter: '' }, TRANSPORT_CC],
})
export const extensionUri = (text: string) => text as types.RtpHeaderExtensionUri
const extension = (kind: types.MediaKind, name: string, id: number): types.RtpHeaderExtension => ({
  kind,
  uri: extensionUri(name),
  preferredId: id,
  direction: 'sendrecv',
})
export const TCC = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01'
/** What a router of the hub can do, as far as offers are concerned. */
export const SUPPORTED: types.RtpCapabilities = {
  codecs: [
    {
      kind: 'audio',
      mimeType: 'audio/opus',
      clockRate: 48_000,
      channels: 2,
      preferredPayloadType: 100,
      rtcpFeedback: [NACK, TRANSPORT_CC],
    },
    video('video/H264', 101),
    video('video/VP8', 103),
  ],
  headerExtensions: [
    extension('video', 'urn:ietf:params:rtp-hdrext:sdes:mid', 1),
    extension('video', 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id', 2),
    extension('video', TCC, 5),
  ],
}
/** The hub's end of a session. */
export const TRANSPORT = {
  iceParameters: { usernameFragment: 'hubs', password: 'hub-password', iceLite: true },
  iceCandidates: [
    {
      foundation: 'udpcandidate',
      priority: 1,
      ip: '192.0.2.7',
      address: '192.0.2.7',
      protocol: 'udp' as const,
      port: 40_000,
      type: 'host' as const,
    },
  ],
  dtlsParameters: {
    role: 'auto' as const,
    fingerprints: [{ algorithm: 'sha-256' as const, value: 'AA:BB' }],
  },
}
