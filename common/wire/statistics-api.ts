import { z } from 'zod'
import { abrSchema, linkWaySchema } from './flow-contract.ts'
import { contractIdSchema, tenantIdSchema } from './ids.ts'
import { layerDemandSchema } from './publisher-protocol.ts'
import { streamIdSchema, streamStateSchema } from './stream.ts'
import { watchedPathSchema } from './viewer-protocol.ts'

/** What runs now, in numbers: streams, viewers and media workers. */

const trackKind = z.enum(['audio', 'video'])
const count = z.number().int().min(0)

/** One rendition of a track (or the track itself), as it arrives at the hub. */
const renditionSchema = z.object({
  kbps: z.number(),
  packets: count,
  /** Packets lost for good on the way to the hub. */
  packets_lost: z.number().int(),
  jitter_ms: z.number(),
  /** mediasoup's score: 0 is nothing, 10 is perfect. */
  score: z.number().int(),
  /** Times that the publisher was asked for a keyframe. */
  keyframe_requests: count,
})

export const streamStatisticsSchema = z.object({
  stream_id: streamIdSchema,
  tenant_id: tenantIdSchema,
  ...streamStateSchema.shape,
  viewers: count,
  /** 1 to 255. Among the streams of one viewer, the higher priority gets its bandwidth first. */
  priority: z.number().int().min(1).max(255),
  /** Index of the stream's media worker; null while the stream has no media. */
  worker: z.number().int().nullable(),
  /** Further routers to which the stream is piped, for viewers on other workers. */
  piped_to: count,
  /** The layers that anybody watches. */
  wanted: layerDemandSchema,
  /** How each link of a field sender reaches the hub now. */
  ways: z.array(linkWaySchema),
  tracks: z.array(
    z.object({
      kind: trackKind,
      codec: z.string(),
      /** Ascending by picture size. */
      renditions: z.array(renditionSchema),
    }),
  ),
})
export type StreamStatisticsAnswer = z.infer<typeof streamStatisticsSchema>

/** What one viewer gets. */
export const viewerMediaSchema = z.object({
  worker: z.number().int(),
  protocol: z.enum(['udp', 'tcp']).nullable(),
  /** The hub's estimate of what the connection carries, kb/s; null where the hub does not estimate. */
  available_kbps: z.number().nullable(),
  sent_kbps: z.number(),
  tracks: z.array(
    z.object({
      kind: trackKind,
      codec: z.string(),
      paused: z.boolean(),
      /** The spatial and temporal layer that is forwarded; null where the stream has no layers, or none is sent. */
      layer: z.object({ spatial: count, temporal: count }).nullable(),
      kbps: z.number(),
      packets: count,
      packets_lost: z.number().int(),
      rtt_ms: z.number().nullable(),
      score: z.number().int(),
    }),
  ),
})
export type ViewerMediaStatistics = z.infer<typeof viewerMediaSchema>

export const viewerStatisticsSchema = z.object({
  contract_id: contractIdSchema,
  tenant_id: tenantIdSchema,
  stream_id: streamIdSchema,
  abr: abrSchema,
  /** The ceiling that somebody set by hand, kb/s. */
  limit_kbps: z.number().int().nullable(),
  /** How media reaches the viewer, by its own word; null while nobody said, and for WHEP. */
  path: watchedPathSchema.nullable(),
  /** What the hub's own relay carried for the viewer's allocations that run now; null where there are none. */
  relay: z
    .object({
      allocations: count,
      /** Of the allocation that carries most. */
      protocol: z.enum(['udp', 'tcp', 'tls']),
      bytes_to_client: count,
      bytes_from_client: count,
    })
    .nullable(),
  /** null while the viewer is not connected, or has no media. */
  media: viewerMediaSchema.nullable(),
})

export const workerStatisticsSchema = z.object({
  index: count,
  pid: count,
  /** Share of a core, 0 to 1. */
  cpu: z.number(),
  /** The highest memory use so far, MB (10^6 bytes). */
  max_rss_mb: z.number(),
  streams: count,
  /** Includes viewers that are just joining. */
  viewers: count,
  /** Running viewers that moved here from a busier worker, and away to another worker, since the hub started. */
  viewers_moved_here: count,
  viewers_moved_away: count,
  /** Includes pipes to other routers. */
  consumers: count,
  transports: count,
})
export const workersAnswerSchema = z.object({
  /** The workers that are up. */
  workers: z.array(workerStatisticsSchema),
  /** The intended number of workers. */
  size: count,
  /** Most consumers that one worker takes. */
  consumers_per_worker: count,
})
export type WorkersAnswer = z.infer<typeof workersAnswerSchema>

/** A ceiling for one viewer; null takes it away. The ceiling stays with the viewer's connection over renewals. */
export const viewerLimitsSchema = z.strictObject({
  max_kbps: z.number().int().min(30).max(200_000).nullable(),
})

export const streamPrioritySchema = z.strictObject({ priority: z.number().int().min(1).max(255) })
