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
/** For those who want frozen pictures noticed: an unchanged picture is frozen from this time on, ms. */
export const FROZEN_MS = 5000

/** The rules of a stream of this class that says nothing else. */
export const switchRulesOf = (streamClass: StreamClass): SwitchRules => ({
  auto: true,
  threshold_ms: SWITCH_THRESHOLD_MS[streamClass],
  frozen_ms: null,
  return_after_ms: RETURN_AFTER_MS,
  audio: 'follow',
})

/** An input as a stream's description has it. */
export const inputStatusSchema = z.object({
  id: streamIdSchema,
  state: inputStateSchema,
  reason: z.string().optional(),
  renditions: z.number().int(),
})
