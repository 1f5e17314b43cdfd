import { z } from 'zod'

/** What the process of a roamer and its test say to each other. */

const relayUrl = z.strictObject({
  scheme: z.enum(['turn', 'turns']),
  transport: z.enum(['udp', 'tcp']),
  port: z.int().optional(),
})

/** First message to the process; it holds a secret. */
export const roamerStart = z.strictObject({
  as: z.enum(['viewer', 'publisher', 'whep', 'whip']),
  hubUrl: z.string(),
  streamId: z.string(),
  token: z.string(),
  /** The relay's URL that it may use besides; none by default. */
  relay: relayUrl.optional(),
})
export type RoamerStart = z.infer<typeof roamerStart>
export type RoamerRole = RoamerStart['as']

export const roamerState = z.object({
  path: z.object({ protocol: z.string(), relayed: z.boolean(), usernameFragment: z.string() }).nullable(),
  /** Packets of video that arrived; 0 of whoever sends. */
  packets: z.int(),
  /** Everything that was ever negotiated: consumers with their SSRCs, or producers. */
  media: z.array(z.string()),
})
export type RoamerState = z.infer<typeof roamerState>

/**
 * `restart` restarts ICE. With `resume` it does so on another WebSocket, which takes over from the present one; the clients
 * of WHIP and WHEP have none.
 */
export const roamerRequest = z.strictObject({
  id: z.int(),
  ask: z.enum(['state', 'restart']),
  resume: z.boolean(),
})
export type RoamerRequest = z.infer<typeof roamerRequest>

/** Answer to a request, and with id 0 the word that media is connected. */
export const roamerAnswer = z.object({
  id: z.int(),
  error: z.string().nullable(),
  state: roamerState.nullable(),
})
export type RoamerAnswer = z.infer<typeof roamerAnswer>
