import { z } from 'zod'

/** What a benchmark and its sender process say to each other; secrets travel here, never in arguments. */

const senderStream = z.strictObject({
  /** One port per link, on loopback. */
  ports: z.array(z.int().min(1).max(65_535)).min(1).max(16),
  passphrase: z.string(),
  username: z.string(),
  password: z.string(),
})
export type SenderStream = z.infer<typeof senderStream>

export const senderStartSchema = z.strictObject({
  clip: z.string(),
  streams: z.array(senderStream).min(1),
  mode: z.enum(['duplicate', 'share']),
  /** RIST buffer, ms. */
  bufferMs: z.int().min(1),
  /** Start the clip again at its end, for benches that do not look at single pictures. */
  repeat: z.boolean(),
})
export type SenderStart = z.infer<typeof senderStartSchema>

export const sentSchema = z.strictObject({
  stream: z.int().min(0),
  /** Last bytes of the access unit, hexadecimal. */
  key: z.string(),
  /** When librist had the last packet, ms of {@link machineMs}. */
  at: z.number(),
})
export type Sent = z.infer<typeof sentSchema>

/** The machine's monotonic clock in ms: the same in all its processes. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
