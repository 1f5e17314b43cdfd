import { z } from 'zod'
import { linkIdSchema, nodeIdSchema } from './ids.ts'
import { streamIdSchema } from './stream.ts'

/** Most reports in one request. */
export const MAX_TELEMETRY_BATCH = 1000

/** Bounds of what one report may say; also in docs/limits.md. */
export const TELEMETRY_RANGES = {
  rtt_ms: { min: 0, max: 60_000 },
  jitter_ms: { min: 0, max: 60_000 },
  loss: { min: 0, max: 1 },
  bitrate_kbps: { min: 0, max: 10_000_000 },
  queue_depth: { min: 0, max: 1_000_000 },
  packets: { min: 0, max: 1_000_000_000 },
  glass_to_glass_ms: { min: -60_000, max: 600_000 },
  /** The last millisecond a JavaScript date can name. */
  at: { min: 0, max: 8_640_000_000_000_000 },
} as const

const number = ({ min, max }: { min: number; max: number }) => z.number().min(min).max(max)
const whole = ({ min, max }: { min: number; max: number }) => z.number().int().min(min).max(max)

/**
 * One report of `POST /v1/telemetry`: the sender's measurements since its last report of the same kind.
 *
 * With `link_id` the report is about one of the node's own links and feeds path selection. Without `link_id` it says
 * that the node lives; with `glass_to_glass_ms` it also says how a viewer of `stream_id` fares that gets its media from
 * `node_id`.
 */
export const telemetryReportSchema = z.strictObject({
  node_id: nodeIdSchema,
  link_id: linkIdSchema.optional(),
  stream_id: streamIdSchema.optional(),
  /** The node at the other end of an undeclared link; the hub when left out. */
  to: nodeIdSchema.optional(),
  rtt_ms: number(TELEMETRY_RANGES.rtt_ms),
  jitter_ms: number(TELEMETRY_RANGES.jitter_ms),
  /** Share of packets lost, 0 to 1. */
  loss: number(TELEMETRY_RANGES.loss),
  bitrate_kbps: number(TELEMETRY_RANGES.bitrate_kbps),
  /** Packets that wait to be sent. */
  queue_depth: whole(TELEMETRY_RANGES.queue_depth),
  /** Time of the measurement, Unix milliseconds by the sender's clock. */
  at: whole(TELEMETRY_RANGES.at),
  /** Packets given to the link. */
  packets_sent: whole(TELEMETRY_RANGES.packets).optional(),
  /** Packets known to have reached the other end: the only evidence of health. An answered ping is no evidence. */
  packets_delivered: whole(TELEMETRY_RANGES.packets).optional(),
  /** The packets were probes: they prove delivery and say nothing about load. */
  probe: z.boolean().optional(),
  /** Camera to screen, as viewers measured. */
  glass_to_glass_ms: number(TELEMETRY_RANGES.glass_to_glass_ms).optional(),
})
export type TelemetryReport = z.infer<typeof telemetryReportSchema>

/** Body of `POST /v1/telemetry`: one report, or a batch that the hub takes or refuses as a whole. */
export const telemetryBodySchema = z.union([
  telemetryReportSchema,
  z.array(telemetryReportSchema).min(1).max(MAX_TELEMETRY_BATCH),
])
export type TelemetryBody = z.infer<typeof telemetryBodySchema>

/** Answer 202: the reports wait for evaluation. Reports that turn out stale or unknown are only counted. */
export const telemetryAnswerSchema = z.object({ accepted: z.number().int().min(1) })
