import { z } from 'zod'
import type { WebRtcTransportInfo } from '../../common/wire/web-rtc-shapes.ts'
import { iceCandidates, iceParameters } from '../../signaling/client/mediasoup-shapes.ts'

const dtlsOfHub = z.object({
  fingerprints: z.array(z.object({ algorithm: z.string(), value: z.string() })),
})

/**
 * An SDP offer (RFC 8839, RFC 8842) of one section, enough to bring ICE and DTLS up: packets go through the
 * DTLS transport, by SSRC, so that tracks may come and go without negotiating again.
 * @param tcp with the candidates over TCP, too
 */
export function offerOf(transport: WebRtcTransportInfo, tcp = false): string {
  const { usernameFragment, password } = iceParameters.parse(transport.ice_parameters)
  const candidates = iceCandidates.parse(transport.ice_candidates)
  const ways = candidates.filter(({ protocol }) => protocol === 'udp' || tcp)
  const { fingerprints } = dtlsOfHub.parse(transport.dtls_parameters)
  const sha256 = fingerprints.find(({ algorithm }) => algorithm === 'sha-256')!
  return [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=ice-lite',
    'a=group:BUNDLE 0',
    'm=audio 7 UDP/TLS/RTP/SAVPF 100',
    'c=IN IP4 127.0.0.1',
    'a=mid:0',
    'a=sendonly',
    'a=rtcp-mux',
    `a=ice-ufrag:${usernameFragment}`,
    `a=ice-pwd:${password}`,
    `a=fingerprint:sha-256 ${sha256.value}`,
    'a=setup:actpass',
    ...ways.map(
      ({ foundation, protocol, priority, address, ip, port }) =>
        `a=candidate:${foundation} 1 ${protocol} ${priority} ${address ?? ip} ${port} typ host${protocol === 'tcp' ? ' tcptype passive' : ''}`,
    ),
    'a=end-of-candidates',
    'a=rtpmap:100 opus/48000/2',
    '',
  ].join('\r\n')
}
