import { z } from 'zod'
import { SYSTEM_CLOCK } from '../../../common/clock.ts'
import { CodedError } from '../../../common/errors.ts'
import { takeInputAnswerSchema, takeInputSchema } from '../../../common/wire/flows-api.ts'
import { streamIdSchema } from '../../../common/wire/stream.ts'
import { actorOf } from '../../auth/principal.ts'
import { ownerOf } from '../../flows/publisher-flow.ts'
import type { FlowRouteDependencies } from '../../flows/route-dependencies.ts'
import { CutRate } from '../../programs/cut-rate.ts'
import { defineRoute } from '../route.ts'

/** Puts an input of publishers' switched stream on air by hand. Programs have a cut of their own, with its lock. */
export function takeInputRoute({ streams, lanes, audit, now }: FlowRouteDependencies) {
  const rate = new CutRate()
  return defineRoute({
    method: 'post',
    path: '/v1/streams/{stream_id}/take',
    summary: 'Put an input of a stream on air',
    description:
      'For a stream with several publishers: puts one of them on air at its next keyframe, which is asked for at once, and ' +
      'answers when that has happened. It stays until it fails, or until another one is taken; then the order counts again. ' +
      'A program is cut by its own call.',
    action: 'program.cut',
    cost: 'write',
    params: z.strictObject({ stream_id: streamIdSchema }),
    body: takeInputSchema,
    answer: { status: 200, schema: takeInputAnswerSchema },
    errors: [
      'stream_not_found',
      'stream_not_switched',
      'input_not_found',
      'input_not_live',
      'keyframe_late',
      'take_superseded',
      'too_many_requests',
      'switch_unavailable',
    ],
    handle: async ({ principal, tenantId }, { params: { stream_id }, body: { input } }) => {
      rate.take(`${tenantId} ${ownerOf(principal)}`, SYSTEM_CLOCK.steady())
      const source = lanes?.find(tenantId, stream_id) && streams.switched?.(tenantId, stream_id)
      if (!source) throw refusal(streams.get(tenantId, stream_id) !== undefined, stream_id)
      const taken = await source.take(input)
      await audit({
        tenant_id: tenantId,
        at: now(),
        actor: actorOf(principal),
        action: 'stream.take',
        object: `stream/${stream_id}`,
        outcome: 'done',
        detail: { input },
      })
      return { stream_id, ...taken }
    },
  })
}

function refusal(exists: boolean, streamId: string): CodedError {
  if (!exists) return new CodedError('stream_not_found', `there is no stream "${streamId}"`)
  return new CodedError('stream_not_switched', `stream ${streamId} has no inputs by contract`, {
    details: ['a program is cut by POST /v1/programs/{program_id}/take'],
  })
}
