import { z } from 'zod'
import {
  aesBitsSchema,
  contractIdSchema,
  linkIdSchema,
  modeSchema,
  nodeIdSchema,
  tenantIdSchema,
  transportSchema,
} from './ids.ts'
import { streamClassSchema, streamIdSchema } from './stream.ts'
import { laneInputSchema } from './switched-inputs.ts'

/** Parts of the way from camera to screen. Their times add up to the glass-to-glass latency. */
export const LATENCY_STAGES = ['encode', 'buffer', 'one_way', 'forwarding', 'playout'] as const
export const latencyStageSchema = z.enum(LATENCY_STAGES)
export type LatencyStage = z.infer<typeof latencyStageSchema>

export const latencySchema = z.object({
  /** p95 glass-to-glass target of the class, ms; null where the class has none. */
  budget_ms: z.number().nullable(),
  /** Sum of the stages, ms. */
  estimate_ms: z.number(),
  stages: z.array(
    z.object({
      stage: latencyStageSchema,
      ms: z.number(),
      /** `measured` on this flow or link; `computed` by a rule from measurements; `default` where nobody measured. */
      source: z.enum(['measured', 'computed', 'default']),
    }),
  ),
})
export type Latency = z.infer<typeof latencySchema>

export const pacingSchema = z.object({
  /** The bitrate with which the sender starts, kb/s of media. */
  target_kbps: z.number().int(),
  /** The sender's limit, kb/s on the wire of each path: media, headers and retransmissions. */
  max_kbps: z.number().int(),
  /** The longest stretch of media that may leave at line rate, ms. */
  burst_ms: z.number().int(),
  /**
   * In mode `deterministic-wired`, who keeps packets apart on every link: the kernel, by their times of departure (`SO_TXTIME`
   * with etf or taprio) or by a rate (`SO_MAX_PACING_RATE` with fq), or the sender itself.
   */
  by: z.enum(['txtime', 'fq', 'agent']).optional(),
})
export type Pacing = z.infer<typeof pacingSchema>

export const abrSchema = z.object({
  min_kbps: z.number().int(),
  start_kbps: z.number().int(),
  max_kbps: z.number().int(),
})
export type Abr = z.infer<typeof abrSchema>

/** Recovery buffer of RIST and SRT: starts with `start_ms`, is fitted to `rtt_multiple` x RTT within the bounds, ms. */
export const recoveryBufferSchema = z.object({
  start_ms: z.number().int().min(0),
  min_ms: z.number().int().min(0),
  max_ms: z.number().int().min(0),
  rtt_multiple: z.number().positive(),
})
export type RecoveryBuffer = z.infer<typeof recoveryBufferSchema>

/** One of the sender's own links and its part in the bond. */
export const bindingSchema = z.object({
  link_id: linkIdSchema,
  /** The node that this link dials. */
  node_id: nodeIdSchema,
  /** librist's meaning: with 0 the link carries a copy of every packet, with 1 to 100 its share of the packets. */
  weight: z.number().int().min(0).max(100),
})
export type Binding = z.infer<typeof bindingSchema>

export const overlaySchema = z.object({
  /** Nodes that the media passes, the first node included. */
  path: z.array(nodeIdSchema),
  /** The hub or edge where the media enters (publish) or leaves (subscribe) the overlay. */
  edge: nodeIdSchema,
  bindings: z.array(bindingSchema),
})
export type Overlay = z.infer<typeof overlaySchema>

export const endpointSchema = z.object({
  node_id: nodeIdSchema,
  /** Host name or address to dial, without brackets. */
  address: z.string().min(1).max(253),
  port: z.number().int().min(1).max(65_535),
  /** The sender's link that dials this endpoint, for a sender with several links. */
  link: linkIdSchema.optional(),
})
export type Endpoint = z.infer<typeof endpointSchema>

/** How the datagrams of a link reach the hub: by UDP, by a TURN server, or in messages of a WebSocket. */
export const VIAS = ['udp', 'turn', 'wss'] as const
export const viaSchema = z.enum(VIAS)
export type Via = z.infer<typeof viaSchema>

/** How one link of a running contract reaches the hub now. */
export const linkWaySchema = z.object({
  /** The endpoint's UDP port at the hub, whatever the way to it. */
  port: z.number().int().min(1).max(65_535),
  link: linkIdSchema.optional(),
  via: viaSchema,
})
export type LinkWay = z.infer<typeof linkWaySchema>

/** A way for RIST datagrams that the sender may take for links where no UDP gets through. */
export const detourSchema = z.object({
  via: viaSchema.exclude(['udp']),
  /** WebSocket path or URL at the hub; null for TURN, whose servers are in `join`. */
  url: z.string().nullable(),
  /** A packet that waits for longer than this at the sender is dropped, ms. */
  queue_ms: z.number().int().min(0),
})

/** Secrets of a flow; null where the transport agrees on its own keys (DTLS). Never logged, never in a URL. */
export const flowKeysSchema = z.object({
  passphrase: z.string().min(10).max(79),
  aes_bits: aesBitsSchema,
  /** SRP (RIST main profile, VSF TR-06-2); absent where the transport has no user names. */
  username: z.string().min(1).max(127).optional(),
  password: z.string().min(1).max(127).optional(),
})
export type FlowKeys = z.infer<typeof flowKeysSchema>

export const iceServerSchema = z.object({
  urls: z.array(z.string()),
  username: z.string().optional(),
  credential: z.string().optional(),
})

/** `all`: every candidate is tried, direct ones first. `relay`: through a relay only (RFC 8828, W3C WebRTC 4.2.3). */
export const iceTransportPolicySchema = z.enum(['all', 'relay'])

/** How a WebRTC end reaches the hub where no direct path leads there. */
export const iceAccessSchema = z.object({
  /** TURN servers in the order to try, each with its URLs in the order to try. Credentials are good for minutes. */
  ice_servers: z.array(iceServerSchema),
  ice_transport_policy: iceTransportPolicySchema.default('all'),
})
export type IceAccess = z.infer<typeof iceAccessSchema>
export const NO_RELAYS: IceAccess = { ice_servers: [], ice_transport_policy: 'all' }

/**
 * Where a publisher reaches the hub: for control beside its media (RIST), or for media itself (WebRTC). Never logged.
 */
export const publisherJoinSchema = z.object({
  /** WebSocket path or URL; the ticket goes into the first request (`publish`), never into the URL. */
  protoo_url: z.string(),
  /** Where WHIP clients (RFC 9725) post their offer, with the ticket as bearer token; null for other transports. */
  whip_url: z.string().nullable(),
  ticket: z.string(),
  ...iceAccessSchema.shape,
})
export type PublisherJoin = z.infer<typeof publisherJoinSchema>

/** Switched streams are H.264: only then can the switch put one input's pictures behind another's. */
export const videoCodecSchema = z.enum(['h264'])

/** What the hub grants a sender. Media flows only by such a contract. Times are Unix milliseconds. */
export const flowContractSchema = z.object({
  contract_id: contractIdSchema,
  /** Counts up with each renewal or reroute of the same contract. */
  version: z.number().int().min(1),
  tenant_id: tenantIdSchema,
  /** What the contract sends. For an input of a switched stream: the input's own id, such as `cam1.standby`. */
  stream_id: streamIdSchema,
  /** Which input of which switched stream this is; left out for a stream with one publisher. */
  input: laneInputSchema.extend({ of: streamIdSchema }).optional(),
  class: streamClassSchema,
  mode: modeSchema,
  transport: transportSchema,
  endpoints: z.array(endpointSchema),
  /** In the order to try; empty where the class allows none. Contracts older than this field have none. */
  detours: z.array(detourSchema).default([]),
  keys: flowKeysSchema.nullable(),
  join: publisherJoinSchema,
  /** null for transports without a recovery buffer on the way in (WebRTC, RTP). */
  buffer: recoveryBufferSchema.nullable(),
  pacing: pacingSchema,
  abr: abrSchema,
  /** The codec that pictures sent over WebRTC must have; left out: any codec that the hub forwards. */
  video_codec: videoCodecSchema.optional(),
  overlay: overlaySchema,
  latency: latencySchema,
  /** In words: what was chosen, what was rejected and why. */
  reasons: z.array(z.string()),
  expires_at: z.number().int(),
})
export type FlowContract = z.infer<typeof flowContractSchema>

/** A contract without its secrets, for readers who may not have them. */
export const openContractSchema = flowContractSchema.omit({ keys: true, join: true })
