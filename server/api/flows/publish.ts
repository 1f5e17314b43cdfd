import { refusalCodes } from '../../../common/wire/decision.ts'
import { flowContractSchema } from '../../../common/wire/flow-contract.ts'
import { publishRequestSchema } from '../../../common/wire/flows-api.ts'
import { publish } from '../../flows/publish.ts'
import type { FlowRouteDependencies } from '../../flows/route-dependencies.ts'
import { defineRoute } from '../route.ts'

export const publishRoute = (deps: FlowRouteDependencies) =>
  defineRoute({
    method: 'post',
    path: '/v1/publish',
    summary: 'Publish a stream',
    description:
      'Grants the caller a contract to send a stream: where to, with which keys, how fast, until when, and why. ' +
      'Asking again for a stream that the caller publishes renews its contract. The hub listens as soon as this answers. ' +
      'With `input` the stream has several publishers, of whom one is on air: the contract sends the stream of that ' +
      'input, such as `cam1.standby`, and viewers watch `cam1`.',
    action: 'publish',
    cost: 'decide',
    body: publishRequestSchema,
    answer: { status: 200, schema: flowContractSchema },
    errors: [
      ...refusalCodes,
      'stream_taken',
      'stream_exists',
      'stream_not_switched',
      'bad_stream_id',
      'too_many_inputs',
      'contract_ended',
      'ports_exhausted',
    ],
    handle: ({ principal, tenantId }, { body }) => publish(deps, principal, tenantId, body),
  })
