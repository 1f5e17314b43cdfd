import { z } from 'zod'
import { iceServerSchema } from './flow-contract.ts'

/*
 * mediasoup's own shapes, where they cross the boundary to browsers. The hub checks their outline, and mediasoup checks
 * the rest.
 */

export const dtlsParametersSchema = z.object({
  role: z.enum(['auto', 'client', 'server']).optional(),
  fingerprints: z
    .array(z.object({ algorithm: z.string().max(16), value: z.string().max(256) }))
    .min(1)
    .max(8),
})

/** What a browser needs to build its side of a transport. */
export const webRtcTransportSchema = z.object({
  id: z.string(),
  ice_parameters: z.looseObject({}),
  ice_candidates: z.array(z.looseObject({})),
  dtls_parameters: z.looseObject({}),
})
export type WebRtcTransportInfo = z.infer<typeof webRtcTransportSchema>

/** Why a client restarts ICE. */
export const RESTART_REASONS = [
  /** The machine has another network or address, or is online again. */
  'network',
  /** Nothing arrived for a second, though media should. */
  'silence',
  /** The browser says that the path is gone. */
  'disconnected',
  /** The machine slept. */
  'woke',
  /** The hub lost the path, and said so. */
  'hub',
] as const
export const restartReasonSchema = z.enum(RESTART_REASONS)
export type RestartReason = z.infer<typeof restartReasonSchema>

/** Asks for new ICE credentials of the hub's end (RFC 8445 section 9). Transport, DTLS, SSRCs and media stay. */
export const restartIceSchema = z.strictObject({
  transport_id: z.string().max(64),
  reason: restartReasonSchema,
})

/** The hub's new ICE credentials. `ice_servers` replace those of the contract, where they are given. */
export const restartIceAnswer = z.object({
  ice_parameters: z.looseObject({}),
  ice_servers: z.array(iceServerSchema).optional(),
})
export type RestartIceAnswer = z.infer<typeof restartIceAnswer>

/** The hub lost the path to the client's transport. The client restarts ICE. */
export const pathLostSchema = z.object({ transport_id: z.string() })
