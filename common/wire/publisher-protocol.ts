import { z } from 'zod'
import { senderLeaveSchema } from './direct.ts'
import { flowContractSchema, viaSchema } from './flow-contract.ts'
import { linkArrivalsSchema } from './link-arrivals.ts'
import { streamStateSchema } from './stream.ts'
import {
  dtlsParametersSchema,
  pathLostSchema,
  restartIceSchema,
  webRtcTransportSchema,
} from './web-rtc-shapes.ts'

/*
 * Messages between publishers and the hub over protoo, at the `protoo_url` of a contract's `join`. Browsers send their
 * media over a WebRTC transport of the hub. Field senders only hear here what is wanted of them. The hub speaks first
 * (`welcome`). A connection whose first request is `publish` is a publisher's.
 */

/** Longest data message, bytes of its JSON in UTF-8. */
export const MAX_DATA_BYTES = 1024

/**
 * JSON of a data message: an object, a text, a number... Only the length is checked: what came over the wire is JSON,
 * and to walk through a message of 64 KiB that is too long anyway takes a tenth of a second.
 */
export const dataPayloadSchema = z.custom<z.core.util.JSONType>(isShortJson, {
  message: `must be at most ${MAX_DATA_BYTES} bytes of JSON`,
})
export type DataPayload = z.infer<typeof dataPayloadSchema>

function isShortJson(payload: unknown): boolean {
  try {
    const text: string | undefined = JSON.stringify(payload)
    return text !== undefined && new TextEncoder().encode(text).length <= MAX_DATA_BYTES
  } catch {
    // Nested too deeply, or in a circle.
    return false
  }
}

/** Timed metadata of a publisher. `at_unix_ms` is the moment that the metadata is about, by the hub's clock. */
export const timedDataSchema = z.strictObject({ payload: dataPayloadSchema, at_unix_ms: z.number().min(0) })
export type TimedData = z.infer<typeof timedDataSchema>

/** Which layers anybody consumes now: `video` by spatial layer, ascending. A layer beyond its end is not wanted. */
export const layerDemandSchema = z.object({
  video: z.array(z.boolean()).max(4),
  audio: z.boolean(),
})
export type LayerDemand = z.infer<typeof layerDemandSchema>

/** Size of a picture, pixels. */
const pictureSchema = z.strictObject({
  width: z.number().int().min(1).max(16_384),
  height: z.number().int().min(1).max(16_384),
})

const producerId = z.strictObject({ producer_id: z.string().max(64) })

/** Requests of a publisher, by method: the shape of their data. */
export const publisherRequests = {
  /** Takes the contract's place with the contract's ticket. First request of a connection. Answer: `PublishAnswer`. */
  publish: z.strictObject({
    ticket: z.string().min(16).max(128),
    /**
     * Each publishing program makes up its own id. The program's next connection takes the place of its lost
     * connection. Another program is refused while this program is there.
     */
    publisher_id: z.string().min(8).max(64).optional(),
    /** The transport that the publisher still has, when only the connection was lost. Media then goes on untouched. */
    transport_id: z.string().max(64).optional(),
    /** False where the encoder makes no keyframe on request. Viewers then wait for the next keyframe. */
    keyframes_on_request: z.boolean().optional(),
    /** Whether the publisher answers `direct-offer`: it sends to viewers of its own network itself. */
    direct: z.boolean().optional(),
  }),
  /** The publisher's side of DTLS. Answer: `{}`. */
  'connect-transport': z.strictObject({
    transport_id: z.string().max(64),
    dtls_parameters: dtlsParametersSchema,
  }),
  /** Starts to send one track. A publisher sends one track of each kind at a time. Answer: `{ producer_id }`. */
  produce: z.strictObject({
    transport_id: z.string().max(64),
    kind: z.enum(['audio', 'video']),
    /** mediasoup `RtpParameters` of a `Producer`. */
    rtp_parameters: z.looseObject({
      codecs: z
        .array(z.looseObject({ mimeType: z.string().max(64) }))
        .min(1)
        .max(16),
      encodings: z.array(z.looseObject({})).min(1).max(4),
    }),
    /**
     * Size of a video's largest layer, compared with viewers' tiles. Each layer below is taken to have half the size.
     */
    picture: pictureSchema.optional(),
  }),
  /** The publisher's path changed or is lost. Answer: `RestartIceAnswer`. */
  'restart-ice': restartIceSchema,
  'close-producer': producerId,
  /** Mute: the hub does not forward what still arrives. */
  'pause-producer': producerId,
  'resume-producer': producerId,
  /**
   * Timed metadata for every viewer, at most 10 a second (30 at once). Viewers show the metadata with the picture that
   * was captured at its time. Answer: `{}`.
   */
  data: timedDataSchema,
  /** The publisher is done: the contract ends, the stream is free, and its viewers are told. Answer: `{}`. */
  unpublish: z.strictObject({}),
  /** One sample of clock offset, NTP style: the answer is `{ hub_unix_ms }`. */
  clock: z.strictObject({}),
  /**
   * Asks for the media that arrives: the publisher's own counts include padding and repair. Answer: `ReceivedAnswer`.
   */
  received: z.strictObject({}),
} as const
export type PublisherRequests = {
  [Method in keyof typeof publisherRequests]: z.infer<(typeof publisherRequests)[Method]>
}

/** Answer to `received`: media that the hub forwards or could forward, over the last 2.5 s, kb/s. */
export const receivedAnswer = z.object({
  /** By encoding, smallest first. */
  video_kbps: z.array(z.number().min(0)).max(4),
  audio_kbps: z.number().min(0),
})
export type ReceivedAnswer = z.infer<typeof receivedAnswer>

/** Notifications of a publisher. */
export const publisherNotifications = {
  /** What the publisher sent in the last interval. Times in ms, bitrate in kb/s, loss 0..1. */
  report: z.strictObject({
    bitrate_kbps: z.number().min(0).max(10_000_000),
    rtt_ms: z.number().min(0).max(600_000).nullable(),
    loss: z.number().min(0).max(1),
    frames_per_second: z.number().min(0).max(1000),
    /** Size of the largest layer now: another camera may have another size. */
    picture: pictureSchema.optional(),
    /** How far the publisher's clock is ahead of the hub's, ms; null where the publisher has not compared them. */
    clock_ahead_ms: z.number().min(-1e13).max(1e13).nullable(),
  }),
  /** How a field sender's links reach the hub, whenever that changes. Links that are left out use UDP. */
  ways: z.strictObject({
    ways: z.array(z.strictObject({ endpoint: z.number().int().min(0).max(15), via: viaSchema })).max(16),
  }),
} as const
export type WayReport = z.infer<typeof publisherNotifications.ways>
export type PublisherReport = z.infer<typeof publisherNotifications.report>

export const publishAnswer = z.object({
  contract: flowContractSchema,
  /** null for transports without WebRTC (RIST). The same id as before means that the old transport is still there. */
  transport: webRtcTransportSchema.nullable(),
  /** Producers that the transport has already. */
  producer_ids: z.array(z.string()),
  stream: streamStateSchema,
  demand: layerDemandSchema,
  viewers: z.number().int(),
})
export type PublishAnswer = z.infer<typeof publishAnswer>

export const produceAnswer = z.object({ producer_id: z.string() })

/** Notifications of the hub to a publisher. */
export const hubToPublisher = {
  /** First message of every connection. */
  welcome: z.object({ router_rtp_capabilities: z.looseObject({}) }),
  /** Somebody needs an IDR of one rendition (0 is the smallest), or of all (null). Browsers get this by RTCP. */
  'keyframe-request': z.object({ rendition: z.number().int().min(0).max(3).nullable() }),
  /** A viewer watches by the hub again. Its offer came by the request `direct-offer`. */
  'direct-leave': senderLeaveSchema,
  /** Which layers anybody consumes. Other layers need not be sent until somebody wants them again. */
  demand: layerDemandSchema,
  /** What has arrived on a field sender's links, five times a second while anything arrives. */
  arrivals: linkArrivalsSchema,
  /** The contract has a newer version: other bounds, pacing, endpoints or expiry. */
  'contract-changed': z.object({ contract: flowContractSchema }),
  /** The contract is over and media stopped: ask for a new contract. */
  'contract-ended': z.object({ reason: z.enum(['expired', 'revoked']) }),
  /** The stream's input, as the hub tells it to viewers. */
  stream: streamStateSchema,
  /** Number of viewers, told at most once a second. */
  viewers: z.object({ count: z.number().int().min(0) }),
  /** The hub lost the path to the publisher: send `restart-ice`. Without it the transport is gone after a while. */
  'path-lost': pathLostSchema,
  /** The transport is gone (a worker died, or no packet came for long): send `publish` again on this connection. */
  republish: z.object({ reason: z.string() }),
} as const
export type HubToPublisher = {
  [Method in keyof typeof hubToPublisher]: z.infer<(typeof hubToPublisher)[Method]>
}
