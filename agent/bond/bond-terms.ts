import { z } from 'zod'
import type { FlowContract } from '../../common/wire/flow-contract.ts'

/** What a contract and a broadcast's settings say about a bond. Times in ms, bitrates in kb/s of media. */
export interface BondTerms {
  /** The links in use, by their indices among the contract's endpoints. */
  readonly links: readonly number[]
  /** `copies`: every packet goes over several links. `share`: every packet goes over one. */
  readonly use: 'copies' | 'share'
  /** The longest that the receiver waits for a packet, ms: what is later than that is lost. */
  readonly bufferMs: number
  readonly kbps: { readonly min: number; readonly start: number; readonly max: number }
  /** Pixels of each rendition, ascending. */
  readonly pixels: readonly number[]
  /** Pictures a second. */
  readonly fps: number
  readonly soundKbps: number
}

/** What the broadcast itself says beside its contract: from the agent to the sender process. */
export const bondSettingsSchema = z.strictObject({
  /** Bounds inside those of the contract, kb/s; null: the contract's alone. */
  kbps: z.strictObject({ min: z.number(), max: z.number() }).nullable(),
  renditions: z.array(z.strictObject({ width: z.number(), height: z.number() })).max(4),
  /** Pictures a second. */
  fps: z.number(),
  soundKbps: z.number(),
})
export type BondSettings = z.output<typeof bondSettingsSchema>

/** A broadcast of which nothing is known: one rendition, bounds of the contract alone. */
export const NO_SETTINGS: BondSettings = { kbps: null, renditions: [], fps: 30, soundKbps: 0 }

/** A contract without a recovery buffer is no bond; this is what a class without one would wait, ms. */
const USUAL_BUFFER_MS = 300

/**
 * The terms of a contract. Bounds of the broadcast that leave the contract's bounds nothing give way to the contract.
 *
 * @param use the endpoints in use with their weights: 0 for copies of all packets
 */
export function bondTerms(
  { abr, pacing, buffer }: Pick<FlowContract, 'abr' | 'pacing' | 'buffer'>,
  use: ReadonlyMap<number, number>,
  { kbps, renditions, fps, soundKbps }: BondSettings,
): BondTerms {
  const max = Math.max(abr.min_kbps, Math.min(abr.max_kbps, kbps?.max ?? abr.max_kbps))
  const min = Math.min(max, Math.max(abr.min_kbps, kbps?.min ?? abr.min_kbps))
  return {
    links: [...use.keys()],
    use: [...use.values()].every((weight) => weight === 0) ? 'copies' : 'share',
    bufferMs: buffer?.max_ms ?? USUAL_BUFFER_MS,
    kbps: { min, start: Math.min(max, Math.max(min, pacing.target_kbps)), max },
    pixels: renditions.map(({ width, height }) => width * height),
    fps,
    soundKbps,
  }
}
