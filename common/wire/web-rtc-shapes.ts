import { z } from 'zod'

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
