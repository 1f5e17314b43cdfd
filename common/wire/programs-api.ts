import { z } from 'zod'
import { ID_PATTERN, tenantIdSchema } from './ids.ts'
import { streamPatternSchema } from './policy-document.ts'
import { streamClassSchema, streamIdSchema, streamStateSchema } from './stream.ts'
import { inputStatusSchema, MAX_INPUTS, RETURN_AFTER_MS, switchRulesSchema } from './switched-inputs.ts'

/** Bodies and answers of the calls about programs: streams whose inputs are other streams of their tenant. */

/** Longest wait of a take for its time, ms. The caller's request waits as well. */
export const MAX_TAKE_AHEAD_MS = 60_000
/** A take whose time is over for longer than this is a mistake, ms. */
export const MAX_TAKE_LATE_MS = 5000

/** A stream by its id, or all streams of a pattern. */
export const programInputSchema = streamPatternSchema.refine(
  (text) => /[*?]/.test(text) || ID_PATTERN.test(text),
  { message: 'an input is a stream id or a pattern with `*` or `?`' },
)

const rules = switchRulesSchema.shape

const programFields = {
  class: streamClassSchema,
  /** In the order of preference: streams by id or pattern. A pattern stands for its streams in the order of their ids. */
  inputs: z.array(programInputSchema).min(1).max(MAX_INPUTS),
  /** Whether the sound comes from the input on air, or stays with the input that it was taken from. */
  audio: rules.audio,
  /** An input is silent after this time without media; null: the time of the class. */
  threshold_ms: rules.threshold_ms.nullable(),
  frozen_ms: rules.frozen_ms,
  return_after_ms: rules.return_after_ms,
  description: z.string().max(200),
} as const

export const createProgramSchema = z.strictObject({
  tenant_id: tenantIdSchema.optional(),
  /** The id of the program's stream, too. */
  program_id: streamIdSchema,
  class: programFields.class.default('director'),
  inputs: programFields.inputs,
  audio: programFields.audio.default('follow'),
  /** Follow the ordered inputs, as standby does, rather than stay with what was taken. */
  auto: z.boolean().default(false),
  threshold_ms: programFields.threshold_ms.default(null),
  frozen_ms: programFields.frozen_ms.default(null),
  return_after_ms: programFields.return_after_ms.default(RETURN_AFTER_MS),
  description: programFields.description.default(''),
})
export type CreateProgram = z.infer<typeof createProgramSchema>

/** What can be changed while a program runs. Its class is that of its viewers' contracts, so it stays. */
export const changeProgramSchema = z
  .strictObject({
    inputs: programFields.inputs.optional(),
    audio: programFields.audio.optional(),
    threshold_ms: programFields.threshold_ms.optional(),
    frozen_ms: programFields.frozen_ms.optional(),
    return_after_ms: programFields.return_after_ms.optional(),
    description: programFields.description.optional(),
  })
  .refine((body) => Object.keys(body).length > 0, { message: 'must name something to change' })
export type ChangeProgram = z.infer<typeof changeProgramSchema>

/** Chosen by the caller: the same id has the same answer. */
const takeIdSchema = z
  .string()
  .regex(ID_PATTERN, 'a request id is 1 to 64 letters, digits, dots, dashes or underscores')

export const takeSchema = z.strictObject({
  input: streamIdSchema,
  /** The input whose sound is taken; left out: as the program's `audio` says. */
  audio: streamIdSchema.optional(),
  /** Not before this time of the hub's clock; left out: now. */
  at_unix_ms: z.number().int().min(0).optional(),
  request_id: takeIdSchema.optional(),
})
export type TakeRequest = z.infer<typeof takeSchema>

export const takeAnswerSchema = z.object({
  program_id: streamIdSchema,
  input: streamIdSchema,
  /** When the first packet of the input left the switch. */
  at_unix_ms: z.number(),
  /** When its first picture was captured; null where nobody knows. */
  capture_unix_ms: z.number().nullable(),
})
export type TakeAnswer = z.infer<typeof takeAnswerSchema>

export const previewSchema = z.strictObject({
  /** null: no input is armed any more. */
  input: streamIdSchema.nullable(),
})

export const autoSchema = z.strictObject({ auto: z.boolean() })

/** Least and longest life of a lock, s. Whatever its holder does with the program prolongs the lock. */
export const LOCK_SECONDS = { least: 10, usual: 3600, most: 86_400 } as const

export const lockRequestSchema = z.strictObject({
  seconds: z.number().int().min(LOCK_SECONDS.least).max(LOCK_SECONDS.most).default(LOCK_SECONDS.usual),
  /** Takes the lock from its holder, which needs the action `program.manage`. */
  break: z.boolean().default(false),
})
export type LockRequest = z.infer<typeof lockRequestSchema>

const programLockSchema = z.object({
  /** `user:`, `node:` or, for an admin of the hub, `hub:` and an id: the only one who may cut. */
  holder: z.string(),
  since: z.number().int(),
  expires_at: z.number().int(),
})

export const programSchema = z.object({
  program_id: streamIdSchema,
  tenant_id: tenantIdSchema,
  version: z.number().int(),
  ...programFields,
  auto: z.boolean(),
  created_at: z.number().int(),
  created_by: z.string(),
  ...streamStateSchema.shape,
  viewers: z.number().int(),
  /** The input that viewers see; null while it is the slate, or nothing yet. */
  on_air: streamIdSchema.nullable(),
  /** Viewers see the slate. */
  slate: z.boolean(),
  since_unix_ms: z.number().nullable(),
  /** The input that viewers hear; null while they hear none. */
  sound_of: streamIdSchema.nullable(),
  preview: streamIdSchema.nullable(),
  switches: z.number().int(),
  /** Inputs with the same pictures, which are on air together. */
  merged: z.array(streamIdSchema),
  sources: z.array(inputStatusSchema),
  /** Streams that the inputs name and that are left out, and why. */
  left_out: z.array(z.object({ id: streamIdSchema, reason: z.enum(['full', 'denied']) })),
  lock: programLockSchema.nullable(),
})
export type ProgramView = z.infer<typeof programSchema>
