import { z } from 'zod'
import { type StreamClass, streamIdSchema } from './stream.ts'

/** Inputs of one switched stream. */
export const MAX_INPUTS = 8

/**
 * What is known of an input. `absent`: no such stream, or it has not sent yet. `silent`: it sent, and has stopped.
 * `frozen`: its pictures do not change. `refused`: it can't be shown (a reason says why).
 */
export const INPUT_STATES = ['absent', 'healthy', 'silent', 'frozen', 'refused'] as const
export const inputStateSchema = z.enum(INPUT_STATES)
export type InputState = z.infer<typeof inputStateSchema>

/** What a switched stream shows while no input can be on air. No stream may be called so. */
export const SLATE = 'slate'

/** Why another input is on air: few words, for counters. `back` is about the slate. */
export const SWITCH_CAUSES = [
  'first',
  'silent',
  'frozen',
  'refused',
  'absent',
  'returned',
  'back',
  'taken',
] as const
export const switchCauseSchema = z.enum(SWITCH_CAUSES)
export type SwitchCause = z.infer<typeof switchCauseSchema>

/** How a switched stream chooses what is on air. Times in ms. */
export const switchRulesSchema = z.strictObject({
  /** The best healthy input is on air. Otherwise what was taken by hand, or the slate while that can't be shown. */
  auto: z.boolean(),
  /** An input is silent after this time without media. */
  threshold_ms: z.number().int().min(100).max(60_000),
  /** An input is frozen after this time without a change of its picture; null: pictures may stand still. */
  frozen_ms: z.number().int().min(500).max(600_000).nullable(),
  /** A better input returns after it was healthy for this long; null: only by hand. */
  return_after_ms: z.number().int().min(0).max(600_000).nullable(),
  /** Whether the sound comes from the input on air, or stays with the input that it was taken from. */
  audio: z.enum(['follow', 'hold']),
})
export type SwitchRules = z.infer<typeof switchRulesSchema>

/** Longest silence of an input on air, ms: what the viewers of a class put up with. */
export const SWITCH_THRESHOLD_MS: Readonly<Record<StreamClass, number>> = {
  focus: 300,
  director: 500,
  record: 1000,
  bulk: 3000,
}
/** A better input proves itself for this long before it returns, ms. */
export const RETURN_AFTER_MS = 5000

/** The rules of a stream of this class that says nothing else. */
export const switchRulesOf = (streamClass: StreamClass): SwitchRules => ({
  auto: true,
  threshold_ms: SWITCH_THRESHOLD_MS[streamClass],
  frozen_ms: null,
  return_after_ms: RETURN_AFTER_MS,
  audio: 'follow',
})

export const INPUT_ROLES = ['primary', 'standby'] as const

/** The place of a publisher among those of a switched stream: primaries come before standbys, 1 before 2. */
export const laneInputSchema = z.strictObject({
  role: z.enum(INPUT_ROLES),
  priority: z.number().int().min(1).max(MAX_INPUTS).default(1),
})
export type LaneInput = z.infer<typeof laneInputSchema>

/** An input in words, as documents have it: `primary`, `standby`, `standby:2`. */
export const laneInputWordsSchema = z
  .string()
  .regex(
    /^(primary|standby)(:[1-8])?$/,
    'an input is `primary` or `standby`, with `:2` to `:8` for further ones',
  )

/** @param words that fit `laneInputWordsSchema` */
export function laneInputOf(words: string): LaneInput {
  const [role, priority = '1'] = words.split(':')
  return laneInputSchema.parse({ role, priority: Number(priority) })
}

/** An input in a configuration, read from its words. */
export const laneInputTextSchema = laneInputWordsSchema.transform(laneInputOf)

/** What a publisher of a switched stream may fix; the first input that says anything decides. */
export const laneRulesSchema = switchRulesSchema
  .pick({ threshold_ms: true, frozen_ms: true, return_after_ms: true })
  .partial()
export type LaneRules = z.infer<typeof laneRulesSchema>

/** An input as a stream's description has it. */
export const inputStatusSchema = z.object({
  id: streamIdSchema,
  state: inputStateSchema,
  reason: z.string().optional(),
  /** Layers of its pictures. */
  renditions: z.number().int(),
})

/** What a switched stream shows. */
export const switchedStatusSchema = z.object({
  /** The input on air, or `slate`; null before the first picture, and where the caller may not read the input. */
  on_air: z.string().nullable(),
  /** Unix ms. */
  since_unix_ms: z.number().nullable(),
  /** The input of the sound. */
  audio: z.string().nullable(),
  switches: z.number().int(),
  /** Inputs with the same pictures, which are on air together. */
  merged: z.array(z.string()),
  /** In the order of preference; without those that the caller may not read. */
  inputs: z.array(inputStatusSchema),
  rules: switchRulesSchema,
})
