import type { BroadcastStatus } from '../../common/wire/node-report.ts'
import type { KeptState } from '../encoder/kept-encoder.ts'

/** What is known of a broadcast that is on. */
export interface BroadcastFacts {
  readonly encoder: KeptState
  /** Whether a contract runs, and if not, why. */
  readonly contract: { readonly id: string } | { readonly id: null; readonly reason: string | null }
  /** Whether the hub answers on any link. */
  readonly carries: boolean
}

/** The one word for how it goes, and why. What is missing nearest to the camera is told first. */
export function healthOf({
  encoder,
  contract,
  carries,
}: BroadcastFacts): Pick<BroadcastStatus, 'state' | 'reason'> {
  const { input, reason } = encoder
  if (input === 'failed' || input === 'no_input') return { state: input, reason }
  if (contract.id === null && contract.reason !== null)
    return { state: 'no_contract', reason: contract.reason }
  if (contract.id === null || input === 'starting') return { state: 'starting', reason }
  if (!carries) return { state: 'starting', reason: 'no link reaches the hub' }
  return { state: 'live', reason: null }
}
