import { z } from 'zod'
import { contractIdSchema } from './ids.ts'

/*
 * Mode `lan-direct`: a viewer that shares a network with a field sender gets its media from the sender itself. Offer and
 * answer (RFC 8829) go by the hub. The viewer watches by the hub first and whenever the direct way is lost.
 */

/** Longest session description, bytes: a browser's offer has about 5 kB. */
export const MAX_DIRECT_SDP = 32 * 1024
const sdp = z.string().min(1).max(MAX_DIRECT_SDP)

/** `direct-ask` of a viewer. */
export const directAskSchema = z.strictObject({ contract_id: contractIdSchema })
/** Whether an offer is worthwhile, and why not. */
export const directAskAnswer = z.object({ possible: z.boolean(), reason: z.string() })
export type DirectAskAnswer = z.infer<typeof directAskAnswer>

/** `direct-offer` of a viewer, and its answer. All candidates are in the descriptions. */
export const directOfferSchema = z.strictObject({ contract_id: contractIdSchema, sdp })
export const directAnswer = z.object({
  sdp,
  /**
   * The sender's clock minus the hub's, ms. RTP timestamps of pictures are the time of their capture by the sender's
   * clock: Unix time at 90 kHz, modulo 2^32.
   */
  ahead_ms: z.number(),
})
export type DirectAnswer = z.infer<typeof directAnswer>

/** `direct-leave` of a viewer: it watches by the hub again. */
export const directLeaveSchema = z.strictObject({ contract_id: contractIdSchema })

/** `direct-offer` of the hub to a sender. Answer: as above. */
export const senderOfferSchema = z.object({ viewer: z.string().max(64), sdp })
/** `direct-leave` of the hub to a sender. */
export const senderLeaveSchema = z.object({ viewer: z.string().max(64) })
