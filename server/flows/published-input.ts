import { CodedError } from '../../common/errors.ts'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { LaneInput } from '../../common/wire/switched-inputs.ts'
import { inputStreamId } from './lane-inputs.ts'
import type { PublisherFlows } from './publisher-flows.ts'
import type { SwitchedLane, SwitchedLanes } from './switched-lanes.ts'

/** Which stream somebody means who names a stream, and maybe one of its inputs. */
export interface PublishedInput {
  /** The stream that a contract sends: for an input of a switched stream, the input's own. */
  readonly streamId: string
  readonly input: FlowContract['input']
  /** The stream whose rules hold. */
  readonly ruledBy: string
  /** The switched stream, if it is open. */
  readonly lane: SwitchedLane | undefined
}

export interface PublishedStreams {
  readonly publishers: Pick<PublisherFlows, 'ofStream'>
  readonly lanes?: Pick<SwitchedLanes, 'find'>
}

const FIRST: LaneInput = { role: 'primary', priority: 1 }

/**
 * Finds out which stream is meant. Without `input`, the name of a switched stream means its primary. The name of an
 * input's own stream means that input.
 * @throws CodedError `stream_not_switched` (409), `bad_stream_id` (400)
 */
export function publishedInput(
  { publishers, lanes }: PublishedStreams,
  tenantId: string,
  named: { readonly stream_id: string; readonly input?: LaneInput | undefined },
): PublishedInput {
  const { stream_id } = named
  const running = publishers.ofStream(tenantId, stream_id)
  const lane = lanes?.find(tenantId, stream_id)
  if (named.input && running) throw notSwitched(stream_id)
  if (!named.input && !lane) {
    const input = running?.contract.input
    const ruledBy = input?.of ?? stream_id
    return { streamId: stream_id, input, ruledBy, lane: lanes?.find(tenantId, ruledBy) }
  }
  const { role, priority } = named.input ?? FIRST
  const input = { of: stream_id, role, priority }
  const streamId = inputStreamId(stream_id, input)
  const taken = publishers.ofStream(tenantId, streamId)
  if (taken && taken.contract.input?.of !== stream_id) throw notSwitched(streamId)
  return { streamId, input, ruledBy: stream_id, lane }
}

function notSwitched(streamId: string): CodedError {
  return new CodedError(
    'stream_not_switched',
    `stream ${streamId} has one publisher, and no further inputs`,
    {
      details: [
        'end its contract, and publish it again with `input: {"role": "primary"}`',
        'or make a program of several streams (POST /v1/programs)',
      ],
    },
  )
}
