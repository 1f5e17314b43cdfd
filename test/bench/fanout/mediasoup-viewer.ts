import type { types } from 'mediasoup'
import { z } from 'zod'
import type { FanoutServer, FanoutViewer } from './fanout-side.ts'

const TRANSPORT_CC = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01'
const SEND_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time'

const encodings = z.array(z.object({ ssrc: z.number() })).min(1)

/** What a viewer of a mediasoup transport must know. @param video what the transport sends */
export function mediasoupViewer(
  { iceParameters, iceCandidates }: types.WebRtcTransport,
  video: types.RtpParameters,
): FanoutViewer {
  const { usernameFragment, password } = iceParameters
  const { ip, port } = iceCandidates[0]!
  const idOf = (wanted: string) => video.headerExtensions?.find(({ uri }) => uri === wanted)?.id
  const [sequenceId, sendTimeId] = [idOf(TRANSPORT_CC), idOf(SEND_TIME)]
  const [{ ssrc }] = encodings.parse(video.encodings) as [{ ssrc: number }]
  const fed = sequenceId !== undefined && sendTimeId !== undefined
  return {
    ip,
    port,
    ice: { usernameFragment, password },
    ssrc,
    feedback: fed ? { sequenceId, sendTimeId } : null,
  }
}

/** Where the renditions of a producer go: all to one port. */
export function mediasoupInputs(
  { rtpParameters }: types.Producer,
  at: { readonly ip: string; readonly port: number },
): FanoutServer['inputs'] {
  const [{ payloadType }] = rtpParameters.codecs as [types.RtpCodecParameters]
  return encodings.parse(rtpParameters.encodings).map(({ ssrc }) => ({ ssrc, payloadType, ...at }))
}
