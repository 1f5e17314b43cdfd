import { z } from 'zod'

/** What the benchmark tells the process with the door, and what it hears. */
export const doorOrderSchema = z.strictObject({
  key: z.string(),
  certificate: z.string(),
  /** UDP ports of one link each, by ticket. */
  ports: z.record(z.string(), z.number().int()),
})
export type DoorOrder = z.infer<typeof doorOrderSchema>

export const doorReportSchema = z.object({
  port: z.number().int(),
  /** How late the event loop was since the last report, ms. */
  loop_p99_ms: z.number(),
  loop_max_ms: z.number(),
})
export type DoorReport = z.infer<typeof doorReportSchema>
