import { z } from 'zod'

/**
 * What has arrived on each link of a field sender's bond, some times a second while anything arrives. Only the receiver
 * knows: librist's sender knows what left, and which packets it was asked for again, but not on which link they were lost.
 */
export const linkArrivalsSchema = z.object({
  /** When it was counted, ms of a clock that only goes forward. It begins anew with each receiver. */
  at_ms: z.number().min(0),
  /** Datagrams since the receiver began to listen, by the contract's endpoints: media, repairs and reports. */
  packets: z.array(z.number().int().min(0)).min(1).max(16),
})
export type LinkArrivals = z.infer<typeof linkArrivalsSchema>
