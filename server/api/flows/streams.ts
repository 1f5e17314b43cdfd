import { z } from 'zod'
import { CodedError } from '../../../common/errors.ts'
import {
  type StreamSummary,
  streamSummarySchema,
  viewerSummarySchema,
} from '../../../common/wire/flows-api.ts'
import { contractIdSchema } from '../../../common/wire/ids.ts'
import { streamIdSchema } from '../../../common/wire/stream.ts'
import { SLATE } from '../../../common/wire/switched-inputs.ts'
import { askAcl } from '../../../policy/acl.ts'
import { laneOfInput } from '../../../policy/inputs/input-names.ts'
import type { FlowRouteDependencies, RunningStream, SwitchedStream } from '../../flows/route-dependencies.ts'
import { defineRoute, type RouteContext } from '../route.ts'

export function streamRoutes({ streams, viewers, policyOf, isAway }: FlowRouteDependencies) {
  /** A list holds each stream that the caller may read: an ACL may open only some streams. */
  const mayRead = (
    { principal, tenantFilter }: RouteContext,
    { tenantId, streamId }: RunningStream['spec'],
  ): boolean =>
    (tenantFilter === null || tenantId === tenantFilter) &&
    askAcl(policyOf(tenantId).acl, { principal, action: 'stream.read', streamId }).allowed

  const summaryOf = (context: RouteContext, { spec, viewers, state }: RunningStream): StreamSummary => {
    const { tenantId: tenant_id, streamId: stream_id, streamClass } = spec
    const switched = streams.switched?.(tenant_id, stream_id)
    return {
      stream_id,
      tenant_id,
      class: streamClass,
      viewers,
      ...state,
      // Who watches a program need not know what its other inputs are called. Inputs of publishers are the stream's own.
      ...(switched && {
        switched: shown(
          switched,
          (id) => laneOfInput(id) === stream_id || mayRead(context, { ...spec, streamId: id }),
        ),
      }),
    }
  }

  return [
    defineRoute({
      method: 'get',
      path: '/v1/streams',
      summary: 'List streams',
      description:
        'The streams that the caller may read: their class, the state of their input, their viewers.',
      action: null,
      identifies: true,
      cost: 'read',
      answer: { status: 200, schema: z.object({ streams: z.array(streamSummarySchema) }) },
      handle: (context) => ({
        streams: streams
          .list()
          .filter(({ spec }) => mayRead(context, spec))
          .map((stream) => summaryOf(context, stream)),
      }),
    }),
    defineRoute({
      method: 'get',
      path: '/v1/streams/{stream_id}',
      summary: 'Read a stream',
      description: 'One stream that runs.',
      action: 'stream.read',
      anonymous: true,
      cost: 'read',
      params: z.strictObject({ stream_id: streamIdSchema }),
      answer: { status: 200, schema: streamSummarySchema },
      errors: ['stream_not_found'],
      handle: (context, { params }) => {
        const { tenantId } = context
        const stream = streams.get(tenantId, params.stream_id)
        if (!stream)
          throw new CodedError('stream_not_found', `there is no stream "${params.stream_id}"`, {
            details: isAway?.(tenantId, params.stream_id)
              ? [
                  'its contract was revoked by hand: it stays away until the next start of the hub, or until the configuration changes it',
                ]
              : [],
          })
        return summaryOf(context, stream)
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/viewers',
      summary: 'List viewers',
      description: 'Who has a contract to watch now, of the streams whose viewers the caller may read.',
      action: 'viewer.read',
      lists: true,
      cost: 'read',
      answer: { status: 200, schema: z.object({ viewers: z.array(viewerSummarySchema) }) },
      handle: ({ principal, tenantFilter }) => ({
        viewers: viewers
          .list()
          .filter(
            ({ tenantId, streamId }) =>
              (tenantFilter === null || tenantId === tenantFilter) &&
              askAcl(policyOf(tenantId).acl, { principal, action: 'viewer.read', streamId }).allowed,
          )
          .map((viewer) => ({
            contract_id: viewer.contractId,
            tenant_id: viewer.tenantId,
            stream_id: viewer.streamId,
            subject: viewer.subject,
            class: viewer.streamClass,
            abr: viewer.abr,
            connected: viewer.connected,
            path: viewer.path,
            expires_at: viewer.expiresAt,
          })),
      }),
    }),
    defineRoute({
      method: 'delete',
      path: '/v1/viewers/{contract_id}',
      summary: 'End a viewer',
      description: "Revokes one viewer's contract; its media stops now.",
      action: 'flow.revoke',
      cost: 'read',
      params: z.strictObject({ contract_id: contractIdSchema }),
      scope: ({ params }) => ({
        streamOf: (tenantFilter) => {
          const viewer = viewers.get(params.contract_id)
          return viewer && (tenantFilter === null || viewer.tenantId === tenantFilter)
            ? viewer.streamId
            : undefined
        },
      }),
      answer: { status: 204 },
      errors: ['contract_not_found'],
      handle: ({ tenantFilter }, { params }) => {
        const viewer = viewers.get(params.contract_id)
        if (!viewer || (tenantFilter !== null && viewer.tenantId !== tenantFilter))
          throw new CodedError('contract_not_found', 'there is no such contract')
        viewers.end(params.contract_id, 'revoked')
        return undefined
      },
    }),
  ]
}

/**
 * What a stream with several inputs shows, for people who may read it.
 * @param mayName whether the caller may know of an input
 */
function shown(
  { status, rules }: SwitchedStream,
  mayName: (id: string) => boolean,
): NonNullable<StreamSummary['switched']> {
  const { preview: _preview, inputs, merged, on_air, audio, ...rest } = status
  const named = (id: string | null) => (id === null || id === SLATE || mayName(id) ? id : null)
  return {
    ...rest,
    on_air: named(on_air),
    audio: named(audio),
    merged: merged.filter(mayName),
    inputs: inputs
      .filter(({ id }) => mayName(id))
      .map(({ id, state, reason, renditions }) => ({ id, state, reason, renditions })),
    rules,
  }
}
