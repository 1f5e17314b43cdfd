import { z } from 'zod'

const secrets = {
  ports: z.array(z.number()).min(1),
  /** Address of the hub for each link; loopback by default. */
  hosts: z.array(z.string()).optional(),
  passphrase: z.string(),
  username: z.string(),
  password: z.string(),
}

/** Configuration of a clip sender, as one message; it holds secrets. */
export const clipSenderConfig = z.strictObject({
  path: z.string(),
  /** Leaves out what comes before, ms. */
  fromMs: z.number().min(0).default(0),
  /** Starts over at the end, on the same connection: PTS are reset. */
  repeat: z.boolean().default(false),
  ...secrets,
  /** Other streams that get the very same bytes: two paths of one encoder. */
  copies: z.array(z.strictObject(secrets)).default([]),
  /** Stamps capture times into the clip, as a field sender does. */
  stamped: z.boolean().default(false),
  /** Recovery buffer, ms. */
  bufferMs: z.number().default(200),
})
export type ClipSenderConfig = z.input<typeof clipSenderConfig>

/** `sending`: a link of each stream has authenticated. `over`: the clip has ended, the connection stands. */
export const clipSenderReport = z.object({ type: z.enum(['sending', 'over']) })
export type ClipSenderReport = z.infer<typeof clipSenderReport>
