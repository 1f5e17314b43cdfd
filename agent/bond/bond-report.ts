import { z } from 'zod'

const kbps = z.number().min(0)

/** What a bond decides, and how its links go: from the sender process to the agent. */
export const bondReportSchema = z.object({
  /** Media, kb/s: what all that is sent may take together. */
  target_kbps: kbps,
  /** What to ask of an encoder that splits its bitrate over all renditions, kb/s. */
  encoder_kbps: kbps,
  /** By rendition, ascending: whether the bond has room for it. Empty where nobody told the renditions. */
  wanted: z.array(z.boolean()).max(4),
  links: z
    .array(
      z.object({
        /** Index among the contract's endpoints. */
        endpoint: z.int().min(0).max(15),
        state: z.enum(['carrying', 'probing', 'marginal', 'dead']),
        /** librist's weight: 0 for a copy of every packet, else the share. */
        weight: z.int().min(0),
        kbps,
        rtt_ms: z.number().min(0).nullable(),
        /** Of what was sent, over seconds, 0 to 1. */
        loss: z.number().min(0).max(1),
        capacity_kbps: kbps,
      }),
    )
    .max(16),
})
export type BondReport = z.output<typeof bondReportSchema>
