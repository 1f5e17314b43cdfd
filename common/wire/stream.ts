import { z } from 'zod'

/** What a publisher calls its media: 1 to 64 of `a-z A-Z 0-9 . _ -`, starting with a letter or digit. */
export const streamIdSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'a stream id is 1 to 64 letters, digits, dots, dashes or underscores, starting with a letter or digit',
  )

/** The tenant of callers who name no tenant. A hub of one owner needs no other tenant. */
export const DEFAULT_TENANT = 'default'

export const STREAM_CLASSES = ['focus', 'director', 'record', 'bulk'] as const
export const streamClassSchema = z.enum(STREAM_CLASSES)
export type StreamClass = z.infer<typeof streamClassSchema>

/**
 * What a viewer may know about a stream's input.
 * `waiting`: nobody has sent yet. `live`: media flows. `no_picture`: sound flows, its pictures do not (`reason`).
 * `input_lost`: media flowed and stopped; the lane is kept. `refused`: browsers can't show what arrives (`reason`).
 * `ended`: the stream was closed.
 */
export const streamStateSchema = z.object({
  state: z.enum(['waiting', 'live', 'no_picture', 'input_lost', 'refused', 'ended']),
  reason: z.string().optional(),
  /** While the stream is live: the media that the publisher has switched off, of which nothing arrives. */
  muted: z.array(z.enum(['audio', 'video'])).optional(),
  /** While the stream is live: why pictures are lost on their way from the sender to the hub. */
  disturbed: z.string().optional(),
  /** While the stream is live: why its larger layers show a smaller picture. */
  reduced: z.string().optional(),
  /** While the input is lost: viewers get a slate, a picture that says so. */
  slate: z.boolean().optional(),
  /** While media flows: why the sender's sound is left out. */
  sound_refused: z.string().optional(),
})
export type StreamState = z.infer<typeof streamStateSchema>
