import { z } from 'zod'
import { directAskSchema, directLeaveSchema, directOfferSchema } from './direct.ts'
import { abrSchema, iceAccessSchema } from './flow-contract.ts'
import { contractIdSchema, tenantIdSchema } from './ids.ts'
import { timedDataSchema } from './publisher-protocol.ts'
import { streamIdSchema, streamStateSchema } from './stream.ts'
import {
  dtlsParametersSchema,
  pathLostSchema,
  restartIceAnswer,
  restartIceSchema,
  restartReasonSchema,
  webRtcTransportSchema,
} from './web-rtc-shapes.ts'

/**
 * Messages between viewers and the hub over protoo (a WebSocket with requests, responses and notifications;
 * sub-protocol `protoo`) at the `protoo_url` of a `POST /v1/subscribe`.
 *
 * The hub speaks first (`welcome`). The viewer answers with `join` and the ticket of its contract, and may `watch` more
 * streams on the same connection and transport. The RTP, DTLS and ICE parameters are mediasoup's own shapes: the hub
 * checks their outline here, and mediasoup checks the rest.
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

/** Most streams that one connection watches. */
export const MAX_WATCHED_STREAMS = 32

/** How the page shows a stream. A field that is left out keeps its value. At first the stream is shown, with sound. */
export const viewSchema = z.strictObject({
  /** Size of the tile on the screen in device pixels (CSS pixels x device pixel ratio); 0 for no size. */
  width: z.number().min(0).max(65_535).optional(),
  height: z.number().min(0).max(65_535).optional(),
  /** False: out of sight, or the page is in the background. No picture is sent then. */
  visible: z.boolean().optional(),
  /** The stream that counts most on this page; it gets its bandwidth first. */
  focused: z.boolean().optional(),
  /** False: the hub sends nothing of this kind. */
  audio: z.boolean().optional(),
  video: z.boolean().optional(),
})
export type View = z.infer<typeof viewSchema>

const ticket = z.string().min(16).max(128)

/** Requests of a viewer, by method: the shape of their data. */
export const viewerRequests = {
  /**
   * Makes the viewer's transport, or replaces it, and watches the stream of the ticket. Answer: `JoinAnswer`, with all
   * streams of the connection.
   */
  join: z.strictObject({
    ticket,
    rtp_capabilities: rtpCapabilities,
    view: viewSchema.optional(),
    /** The viewer understands `move`. Said only to a hub whose `welcome` has `moves`. */
    moves: z.boolean().optional(),
  }),
  /**
   * Watches one more stream on the same transport. `replaces` is a contract on the same stream whose place the new
   * contract takes: its media goes on untouched, and the answer has no consumers. Answer: `WatchedStream`.
   */
  watch: z.strictObject({ ticket, view: viewSchema.optional(), replaces: contractIdSchema.optional() }),
  /**
   * Goes on with what a lost connection watched: the same transport and consumers. First request of a connection. The
   * ticket is that of any of its contracts. With `restart` ICE restarts too. Answer: `ResumeAnswer`.
   */
  resume: z.strictObject({
    transport_id: z.string().max(64),
    ticket,
    restart: restartReasonSchema.optional(),
  }),
  /** The viewer's path changed or is lost. Answer: `RestartIceAnswer`. */
  'restart-ice': restartIceSchema,
  /** Stops watching one stream. Answer: `{}`. */
  unwatch: z.strictObject({ contract_id: contractIdSchema }),
  /** Whether the sender may be asked for its media itself. Answer: `DirectAskAnswer`. */
  'direct-ask': directAskSchema,
  /** Asks the sender for its media itself. Answer: `DirectAnswer`. Refusal: `direct_unavailable`. */
  'direct-offer': directOfferSchema,
  /** The direct way is over. Answer: `{}`. */
  'direct-leave': directLeaveSchema,
  /** How a stream is shown now. Answer: `{}`. */
  'set-view': z.strictObject({ contract_id: contractIdSchema, ...viewSchema.shape }),
  /** The viewer's side of DTLS for the transport of the last `join`, or of a `move`. Answer: `{}`. */
  'connect-transport': z.strictObject({
    transport_id: z.string().max(64),
    dtls_parameters: dtlsParametersSchema,
  }),
  /** Asks the publisher for an IDR, as a stuck decoder would. Answer: `{}`. */
  'request-keyframe': z.strictObject({ consumer_id: z.string().max(64) }),
  /** One sample of clock offset, NTP style: the answer is `{ hub_unix_ms }`. */
  clock: z.strictObject({}),
} as const

/** How media reaches a viewer. */
export const viewerPathSchema = z.strictObject({
  /** Through a TURN relay. */
  relayed: z.boolean(),
  /** To the relay where there is one, else to the hub. */
  protocol: z.enum(['udp', 'tcp', 'tls']),
  /** URL of the relay, RFC 7065; null for a direct path, and where the browser does not tell. */
  relay: z.string().max(300).nullable(),
  /** Round trip of the last ICE check, over the relay where there is one; null before the first. */
  rtt_ms: z.number().min(0).max(600_000).nullable(),
  /** Share of the media that came through a relay since the transport was made. */
  relayed_share: z.number().min(0).max(1),
})
export type ViewerPath = z.infer<typeof viewerPathSchema>

/** The same as readers of the API get it: `relay` is a node of the directory, or a URL that the hub does not know. */
export const watchedPathSchema = z.object(viewerPathSchema.shape)

/** Notifications of a viewer. */
export const viewerNotifications = {
  /** What the viewer saw in the last interval; feeds the metrics. Times in ms, bitrate in kb/s, loss 0..1. */
  report: z.strictObject({
    /** The stream of the report; the connection's first stream when left out. */
    contract_id: contractIdSchema.optional(),
    glass_to_glass_ms: z.number().min(-60_000).max(600_000).nullable(),
    join_ms: z.number().min(0).max(600_000).nullable(),
    jitter_ms: z.number().min(0).max(600_000),
    loss: z.number().min(0).max(1),
    bitrate_kbps: z.number().min(0).max(10_000_000),
    frames_per_second: z.number().min(0).max(1000),
    freezes: z.number().int().min(0),
    /** Said only to a hub whose `welcome` has `paths`. */
    path: viewerPathSchema.optional(),
  }),
  /**
   * Pictures arrive at this share of the pace at which they were captured, for several pictures in a row: they pile up
   * in front of the viewer's link. The last picture came `late_ms` later than usual, or is that late already. The hub
   * sends less at once.
   */
  congested: z.strictObject({
    contract_id: contractIdSchema,
    pace: z.number().min(0.01).max(1),
    late_ms: z.number().min(0).max(600_000).optional(),
  }),
} as const

export type ViewerRequests = {
  [Method in keyof typeof viewerRequests]: z.infer<(typeof viewerRequests)[Method]>
}
export type ViewerNotifications = {
  [Method in keyof typeof viewerNotifications]: z.infer<(typeof viewerNotifications)[Method]>
}
export type ViewerReport = z.infer<typeof viewerNotifications.report>

const about = { contract_id: contractIdSchema }

const consumerInfo = z.object({
  ...about,
  consumer_id: z.string(),
  producer_id: z.string(),
  kind: z.enum(['audio', 'video']),
  /** mediasoup `RtpParameters` for `Transport.consume()` of mediasoup-client. */
  rtp_parameters: z.looseObject({}),
})
export type ConsumerInfo = z.infer<typeof consumerInfo>

/** One stream of a connection. While the stream has no input, `consumers` is empty; they come later by `consume`. */
export const watchedStream = z.object({
  ...about,
  tenant_id: tenantIdSchema,
  stream_id: streamIdSchema,
  stream: streamStateSchema,
  /**
   * Distance of the publisher's keyframes, ms, where the publisher makes no keyframe on request: the first picture may
   * take this long. Left out where the distance is unknown, and where a keyframe comes on request.
   */
  keyframe_every_ms: z.number().min(0).optional(),
  abr: abrSchema,
  consumers: z.array(consumerInfo),
})
export type WatchedStream = z.infer<typeof watchedStream>

/** Answer to `join`, and the content of a `move`. */
export const joinAnswer = z.object({
  transport: webRtcTransportSchema,
  streams: z.array(watchedStream),
  /** For this transport. Older hubs say nothing of relays. */
  ice: iceAccessSchema.default({ ice_servers: [], ice_transport_policy: 'all' }),
})
export type JoinAnswer = z.infer<typeof joinAnswer>

/**
 * Answer to `resume`. `consumers` are those that the viewer had and that go on; others are gone, and new ones come by
 * `consume`. What else changed meanwhile comes by notifications before this answer.
 */
export const resumeAnswer = z.object({
  /** The hub's new ICE credentials, where ICE was to restart. */
  restarted: restartIceAnswer.nullable(),
  streams: z.array(watchedStream),
})
export type ResumeAnswer = z.infer<typeof resumeAnswer>

/** Requests of the hub to a viewer. */
export const hubRequests = {
  /** A stream got a producer that the viewer does not consume yet. Answered once the viewer consumes. */
  consume: consumerInfo,
  /**
   * A second transport with the same streams. Answered once its pictures are decoded. The viewer shows the first
   * transport until `switch`.
   */
  move: joinAnswer,
  /** The transport of the last `move` replaces the first. Answered once the viewer shows and plays it. */
  switch: z.object({ transport_id: z.string() }),
} as const

/** Why a picture is paused, or held to a layer. */
export const PICTURE_REASONS = [
  'all',
  'tile',
  'ceiling',
  'bandwidth',
  'hidden',
  'not_wanted',
  'no_video',
] as const

/**
 * Ties the video's RTP timestamps (90 kHz, 32 bit) to the wall clock of the camera: the frame with `rtp_timestamp` was
 * captured at `capture_unix_ms` by the hub's clock. `source` is `sender` for a time stamp in the stream, and `arrival`
 * for the hub's own clock when the access unit came in.
 */
export const captureClockSchema = z.object({
  rtp_timestamp: z.number().int().min(0).max(0xffff_ffff),
  capture_unix_ms: z.number(),
  source: z.enum(['sender', 'arrival']),
  /** The layer of the RTP clock, where a stream has several clocks: each simulcast layer of a browser has its own. */
  layer: z.number().int().min(0).max(3).optional(),
})
export type CaptureClock = z.infer<typeof captureClockSchema>

/** Notifications of the hub to a viewer. Those about one stream name its contract. */
export const hubNotifications = {
  /** First message of every connection. */
  welcome: z.object({
    router_rtp_capabilities: z.looseObject({}),
    /** The hub may send `move` to viewers that say `moves` in their `join`. */
    moves: z.boolean().optional(),
    /** The hub takes `path` in reports. */
    paths: z.boolean().optional(),
  }),
  /** The stream's input changed. */
  stream: z.object({ ...about, ...streamStateSchema.shape }),
  'consumer-closed': z.object({ ...about, consumer_id: z.string() }),
  /** The layer that mediasoup forwards now; `spatial_layer` is null while nothing fits. */
  'consumer-layer': z.object({
    ...about,
    consumer_id: z.string(),
    spatial_layer: z.number().int().nullable(),
  }),
  /**
   * What the hub sends of a picture, and why no more. `bandwidth`: the viewer's connection does not carry more. `tile`:
   * the viewer could not see more. `ceiling`: the contract ends there. While paused for `bandwidth`, sound goes on
   * alone.
   */
  picture: z.object({ ...about, paused: z.boolean(), reason: z.enum(PICTURE_REASONS) }),
  /**
   * The tracks that this viewer can't receive, by the capabilities of its `join`. The hub sends the other tracks. This
   * comes before the answer that has the other tracks, and with an empty list once the viewer can receive all. A viewer
   * that can receive more than it said joins again.
   */
  unplayable: z.object({
    ...about,
    tracks: z.array(z.object({ kind: z.enum(['audio', 'video']), mime_type: z.string() })),
  }),
  /** The contract's bitrate bounds changed while it runs; kb/s. */
  'abr-changed': z.object({ ...about, abr: abrSchema, reasons: z.array(z.string()) }),
  /** The contract is over and its media stopped: subscribe again. After the last contract the connection closes. */
  'contract-ended': z.object({ ...about, reason: z.enum(['expired', 'revoked']) }),
  /** The viewer's transport is gone (a worker died or was drained): send `join` again on this connection. */
  rejoin: z.object({ reason: z.string() }),
  /** The hub lost the path to the viewer: send `restart-ice`. Without it the transport is gone after a while. */
  'path-lost': pathLostSchema,
  /** The transport of the last `move` will not be used. The first transport stays. */
  'move-ended': z.object({ transport_id: z.string() }),
  'capture-clock': z.object({ ...about, ...captureClockSchema.shape }),
  /** Timed metadata from the publisher, for the picture that was captured at `at_unix_ms`. */
  data: z.object({ ...about, ...timedDataSchema.shape }),
} as const

export type HubNotifications = {
  [Method in keyof typeof hubNotifications]: z.infer<(typeof hubNotifications)[Method]>
}
/** One of them, as its method and data. */
export type HubNews = {
  [Method in keyof HubNotifications]: [method: Method, data: HubNotifications[Method]]
}[keyof HubNotifications]
