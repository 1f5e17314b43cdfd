import { z } from 'zod'
import { broadcastStatusSchema, nodeReportSchema } from '../../common/wire/node-report.ts'

/** What a running agent says of itself to programs on its machine. */
export const agentStatusSchema = z.object({
  node_id: z.string(),
  hub_url: z.string(),
  overlay_addresses: z.array(z.string()),
  pid: z.number(),
  /** Whether the hub hears this node now. */
  online: z.boolean(),
  /** null: a node that proves itself by a token. */
  certificate_not_after: z.number().nullable(),
  /** The version of the configuration in force; null: none was ever applied. */
  config_version: z.union([z.number(), z.literal('local')]).nullable(),
  broadcasts: z.array(broadcastStatusSchema),
  report: nodeReportSchema,
})
export type AgentStatus = z.output<typeof agentStatusSchema>
