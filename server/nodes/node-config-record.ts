import { z } from 'zod'
import { nodeConfigSchema } from '../../common/wire/node-config.ts'
import { actualConfigSchema } from '../../common/wire/node-protocol.ts'
import { KEPT_CONFIGS } from '../../common/wire/nodes-api.ts'

/** One version of what a node is to do, as it is stored. */
export const configVersionRecordSchema = z.object({
  version: z.int().min(1),
  made_at: z.int(),
  made_by: z.string(),
  /** With masks in the place of secrets. */
  config: nodeConfigSchema,
  /** The secrets by broadcast, sealed; null where there are none. */
  secrets: z.string().nullable(),
})
export type ConfigVersionRecord = z.output<typeof configVersionRecordSchema>

/** What a node is to do. */
export const desiredRecordSchema = z.object({
  /** Versions are never used twice, also those that a device refused. */
  next_version: z.int().min(1),
  /** Newest first. The first is what is desired; none: nobody has configured the node. */
  history: z.array(configVersionRecordSchema).max(KEPT_CONFIGS),
})
export type DesiredRecord = z.output<typeof desiredRecordSchema>

/** What a node told last about its configuration. Written seldom: when it changes. */
export const actualRecordSchema = z.object({
  /** Secrets masked. */
  actual: actualConfigSchema.nullable(),
  /** The device's answer to the last desired version that it was sent. */
  answered: z
    .object({
      version: z.int(),
      at: z.int(),
      refusal: z.object({ code: z.string(), reason: z.string(), details: z.array(z.string()) }).nullable(),
    })
    .nullable(),
})
export type ActualRecord = z.output<typeof actualRecordSchema>
