import { CodedError } from '../../common/errors.ts'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import { streamIdSchema } from '../../common/wire/stream.ts'
import type { LaneInput } from '../../common/wire/switched-inputs.ts'

/**
 * The stream of an input: `cam1.primary`, `cam1.standby`, `cam1.standby-2`.
 * @throws CodedError `bad_stream_id` (400) where the name of the switched stream is too long for that
 */
export function inputStreamId(of: string, { role, priority }: LaneInput): string {
  const id = priority === 1 ? `${of}.${role}` : `${of}.${role}-${priority}`
  if (!streamIdSchema.safeParse(id).success)
    throw new CodedError('bad_stream_id', `"${id}" is too long for the name of an input`, {
      details: ['a stream with several inputs has a name of at most 54 characters'],
    })
  return id
}

/** Primaries before standbys, priority 1 before 2. */
export function byPreference(one: LaneInput, other: LaneInput): number {
  if (one.role !== other.role) return one.role === 'primary' ? -1 : 1
  return one.priority - other.priority
}

/** The stream that a contract is about for rules: those of `cam1` hold for each of its inputs. */
export function ruledStreamOf({ stream_id, input }: Pick<FlowContract, 'stream_id' | 'input'>): string {
  return input?.of ?? stream_id
}
