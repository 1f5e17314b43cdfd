import { z } from 'zod'
import { abrSchema } from './flow-contract.ts'
import { timedDataSchema } from './publisher-protocol.ts'
import { streamStateSchema } from './stream.ts'
import { dtlsParametersSchema, webRtcTransportSchema } from './web-rtc-shapes.ts'

/**
 * What viewers and the hub say to each other over protoo (a WebSocket with requests, responses and
 * notifications; sub-protocol `protoo`) at the `protoo_url` of a `POST /v1/subscribe`.
 *
 * The hub speaks first (`welcome`), the viewer answers with `join` and the ticket of its contract. The RTP, DTLS and ICE parameters are
 * mediasoup's own shapes: the hub checks their outline here and mediasoup checks the rest.
 */

const rtpCapabilities = z.object({
  codecs: z
    .array(
      z.looseObject({
        kind: z.enum(['audio', 'video']),
        mimeType: z.string().max(64),
        clockRate: z.number().int().positive(),
      }),
    )
    .max(64)
    .optional(),
  headerExtensions: z
    .array(
      z.looseObject({
        kind: z.enum(['audio', 'video']),
        uri: z.string().max(256),
        preferredId: z.number().int().min(1).max(255),
      }),
    )
    .max(64)
    .optional(),
})

/** Requests of a viewer, by method: the shape of their data. */
export const viewerRequests = {
  /** Makes (or makes anew) the viewer's transport and its consumers. Answer: `JoinAnswer`. */
  join: z.strictObject({ ticket: z.string().min(16).max(128), rtp_capabilities: rtpCapabilities }),
  /** The viewer's side of DTLS for the transport of the last `join`. Answer: `{}`. */
  'connect-transport': z.strictObject({
    transport_id: z.string().max(64),
    dtls_parameters: dtlsParametersSchema,
  }),
  /** Asks the publisher for an IDR, as a decoder that is stuck would. Answer: `{}`. */
  'request-keyframe': z.strictObject({ consumer_id: z.string().max(64) }),
  /** One sample of clock offset, NTP style: the answer is `{ hub_unix_ms }`. */
  clock: z.strictObject({}),
} as const

/** Notifications of a viewer. */
export const viewerNotifications = {
  /** What the viewer saw in the last interval; feeds the metrics. Times in ms, bitrate in kb/s, loss 0..1. */
  report: z.strictObject({
    glass_to_glass_ms: z.number().min(-60_000).max(600_000).nullable(),
    join_ms: z.number().min(0).max(600_000).nullable(),
    jitter_ms: z.number().min(0).max(600_000),
    loss: z.number().min(0).max(1),
    bitrate_kbps: z.number().min(0).max(10_000_000),
    frames_per_second: z.number().min(0).max(1000),
    freezes: z.number().int().min(0),
  }),
} as const

export type ViewerRequests = {
  [Method in keyof typeof viewerRequests]: z.infer<(typeof viewerRequests)[Method]>
}
export type ViewerReport = z.infer<typeof viewerNotifications.report>

const consumerInfo = z.object({
  consumer_id: z.string(),
  producer_id: z.string(),
  kind: z.enum(['audio', 'video']),
  /** mediasoup `RtpParameters` for `Transport.consume()` of mediasoup-client. */
  rtp_parameters: z.looseObject({}),
})
export type ConsumerInfo = z.infer<typeof consumerInfo>

/** Answer to `join`. `consumers` is empty while the stream has no input; they come later by `consume`. */
export const joinAnswer = z.object({
  transport: webRtcTransportSchema,
  consumers: z.array(consumerInfo),
  stream: streamStateSchema,
  abr: abrSchema,
})
export type JoinAnswer = z.infer<typeof joinAnswer>

/** Requests of the hub to a viewer. */
export const hubRequests = {
  /** A lane got a producer the viewer does not consume yet. Answered once the viewer consumes. */
  consume: consumerInfo,
} as const

/** Notifications of the hub to a viewer. */
export const hubNotifications = {
  /** First message of every connection. */
  welcome: z.object({ router_rtp_capabilities: z.looseObject({}) }),
  /** The stream's input changed. */
  stream: streamStateSchema,
  'consumer-closed': z.object({ consumer_id: z.string() }),
  /** The layer mediasoup now forwards; `spatial_layer` null while nothing fits. */
  'consumer-layer': z.object({ consumer_id: z.string(), spatial_layer: z.number().int().nullable() }),
  /** The contract's bitrate bounds changed while it runs; kb/s. */
  'abr-changed': z.object({ abr: abrSchema, reasons: z.array(z.string()) }),
  /** The contract is over and media stopped: subscribe again. */
  'contract-ended': z.object({ reason: z.enum(['expired', 'revoked']) }),
  /** The viewer's transport is gone (a worker died or was drained): send `join` again on this connection. */
  rejoin: z.object({ reason: z.string() }),
  /**
   * Ties the video's RTP timestamps (90 kHz, 32 bit) to the wall clock of the camera: the frame with
   * `rtp_timestamp` was captured at `capture_unix_ms` by the hub's clock. `source` says who knew:
   * `sender` a time stamp in the stream, `arrival` the hub's own clock when the access unit came in.
   */
  'capture-clock': z.object({
    rtp_timestamp: z.number().int().min(0).max(0xffff_ffff),
    capture_unix_ms: z.number(),
    source: z.enum(['sender', 'arrival']),
  }),
  /** Timed metadata from the publisher: belongs to the picture that was captured at `at_unix_ms`. */
  data: timedDataSchema,
} as const

export type HubNotifications = {
  [Method in keyof typeof hubNotifications]: z.infer<(typeof hubNotifications)[Method]>
}
