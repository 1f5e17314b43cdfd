import { z } from 'zod'
import { principalSchema } from '../../common/wire/decision.ts'
import { nodeIdSchema } from '../../common/wire/ids.ts'
import { createProgramSchema } from '../../common/wire/programs-api.ts'
import { streamPrioritySchema } from '../../common/wire/statistics-api.ts'
import { streamIdSchema } from '../../common/wire/stream.ts'
import { SWITCH_THRESHOLD_MS, type SwitchRules } from '../../common/wire/switched-inputs.ts'
import { USUAL_PRIORITY } from '../flows/publisher-flow.ts'

/** A program as its managers made it. */
export const programRecordSchema = z.object({
  ...createProgramSchema.omit({ tenant_id: true, auto: true }).shape,
  /** Who named the inputs: a program shows what this caller may watch. */
  principal: principalSchema,
  hub_id: nodeIdSchema,
  created_at: z.number().int(),
  created_by: z.string(),
})
export type ProgramRecord = z.infer<typeof programRecordSchema>

const storedLockSchema = z.object({
  holder: z.string(),
  since: z.number().int(),
  /** How long the lock lasts after its holder's last cut, s. */
  seconds: z.number().int(),
  /** Unix ms. */
  expires_at: z.number().int(),
})

/** What cutting changes. It is a document of its own, so that a cut is no new version of the program. */
export const programStateSchema = z.object({
  hub_id: nodeIdSchema,
  auto: z.boolean(),
  /** The input that is on air while `auto` is off; null before the first. */
  on_air: streamIdSchema.nullable(),
  lock: storedLockSchema.nullable(),
  /** Among the streams of one viewer, 1 to 255. */
  priority: streamPrioritySchema.shape.priority.default(USUAL_PRIORITY),
})
export type ProgramState = z.infer<typeof programStateSchema>

/** How the switch of a program chooses. */
export function rulesOf(record: ProgramRecord, { auto }: Pick<ProgramState, 'auto'>): SwitchRules {
  const { class: streamClass, threshold_ms, frozen_ms, return_after_ms, audio } = record
  return {
    auto,
    threshold_ms: threshold_ms ?? SWITCH_THRESHOLD_MS[streamClass],
    frozen_ms,
    return_after_ms,
    audio,
  }
}
