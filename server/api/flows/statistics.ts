import { z } from 'zod'
import { CodedError } from '../../../common/errors.ts'
import { contractIdSchema } from '../../../common/wire/ids.ts'
import {
  streamPrioritySchema,
  streamStatisticsSchema,
  viewerLimitsSchema,
  viewerStatisticsSchema,
} from '../../../common/wire/statistics-api.ts'
import { streamIdSchema } from '../../../common/wire/stream.ts'
import type { AuditDraft } from '../../audit/audit-record.ts'
import { actorOf } from '../../auth/principal.ts'
import type { FlowRouteDependencies, RunningStream } from '../../flows/route-dependencies.ts'
import type { ViewerFlow } from '../../flows/viewer-flows.ts'
import { defineRoute, type RouteContext, type Scope } from '../route.ts'

const byStream = z.strictObject({ stream_id: streamIdSchema })
const byContract = z.strictObject({ contract_id: contractIdSchema })

/** What streams and viewers get, in numbers, and the settings that may change while they run. */
export function statisticsRoutes(deps: FlowRouteDependencies) {
  const { streams, publishers, lanes, programs, viewers, ways, limits, now } = deps
  const streamOf = (tenantId: string, streamId: string): RunningStream => {
    const stream = streams.get(tenantId, streamId)
    if (stream) return stream
    throw notFound(streamId)
  }
  const seen = (tenantFilter: string | null, contractId: string): ViewerFlow | undefined => {
    const viewer = viewers.get(contractId)
    return viewer && (tenantFilter === null || viewer.tenantId === tenantFilter) ? viewer : undefined
  }
  const viewerOf = ({ tenantFilter }: RouteContext, contractId: string): ViewerFlow => {
    const viewer = seen(tenantFilter, contractId)
    if (viewer) return viewer
    throw new CodedError('contract_not_found', 'there is no such contract')
  }
  /** Rules about streams hold for the streams' viewers. */
  const scope = ({ params }: { readonly params: z.output<typeof byContract> }): Scope => ({
    streamOf: (tenantFilter) => seen(tenantFilter, params.contract_id)?.streamId,
  })
  const viewerStatistics = async (viewer: ViewerFlow) => ({
    contract_id: viewer.contractId,
    tenant_id: viewer.tenantId,
    stream_id: viewer.streamId,
    abr: viewer.abr,
    limit_kbps: viewer.limitKbps,
    path: viewers.path(viewer.contractId),
    relay: viewers.relayed(viewer.contractId),
    media: await viewers.statistics(viewer.contractId),
  })
  const streamStatistics = async (stream: RunningStream) => {
    const { tenantId, streamId } = stream.spec
    const flow = publishers.ofStream(tenantId, streamId)
    return {
      stream_id: streamId,
      tenant_id: tenantId,
      ways: flow ? ways.of(flow) : [],
      ...stream.state,
      viewers: stream.viewers,
      priority: viewers.priorityOf(tenantId, streamId),
      ...(await stream.statistics()),
    }
  }
  const record = (
    { principal }: RouteContext,
    tenantId: string,
    about: { action: string; object: string; detail: Record<string, unknown> },
  ): AuditDraft => ({ tenant_id: tenantId, at: now(), actor: actorOf(principal), outcome: 'done', ...about })

  return [
    defineRoute({
      method: 'get',
      path: '/v1/streams/{stream_id}/statistics',
      summary: 'Read statistics of a stream',
      description:
        'What arrives of a stream now, by track and rendition, where it is, and what of it is watched.',
      action: 'stream.read',
      cost: 'read',
      params: byStream,
      answer: { status: 200, schema: streamStatisticsSchema },
      errors: ['stream_not_found'],
      handle: ({ tenantId }, { params }) => streamStatistics(streamOf(tenantId, params.stream_id)),
    }),
    defineRoute({
      method: 'put',
      path: '/v1/streams/{stream_id}/priority',
      summary: 'Set the priority of a stream',
      description:
        'Among the streams that one viewer watches, the higher one gets its bandwidth first; 100 where nobody set ' +
        'one. It holds at once, for whoever watches and will, over restarts of the hub, until the contract it is sent by ' +
        'ends, or the program is deleted.',
      action: 'control',
      cost: 'write',
      params: byStream,
      body: streamPrioritySchema,
      answer: { status: 200, schema: streamStatisticsSchema },
      errors: ['stream_not_found', 'contract_ended'],
      handle: async (context, { params, body }) => {
        const { stream_id } = params
        const stream = streamOf(context.tenantId, stream_id)
        const flow = publishers.ofStream(context.tenantId, stream_id)
        // All inputs of a switched stream have its priority: any of them may be the first after a restart.
        const flows = flow ? [flow] : (lanes?.find(context.tenantId, stream_id)?.flows ?? [])
        const program = programs?.find(context.tenantId, stream_id)
        const about = { action: 'stream.priority', object: `stream/${stream_id}`, detail: body }
        const audit = record(context, context.tenantId, about)
        if (program) await program.setPriority(body.priority, audit)
        else if (flows.length === 0) throw notFound(stream_id)
        for (const [index, { contract }] of flows.entries())
          await publishers.setPriority(contract.contract_id, body.priority, index === 0 ? audit : null)
        viewers.prioritize(context.tenantId, stream_id, body.priority)
        return streamStatistics(stream)
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/viewers/{contract_id}/statistics',
      summary: 'Read statistics of a viewer',
      description:
        'What one viewer gets now: its bitrate, layers and losses, as the media worker counts them, and whether it comes ' +
        'directly or through a relay.',
      action: 'viewer.read',
      cost: 'read',
      params: byContract,
      scope,
      answer: { status: 200, schema: viewerStatisticsSchema },
      errors: ['contract_not_found'],
      handle: (context, { params }) => viewerStatistics(viewerOf(context, params.contract_id)),
    }),
    defineRoute({
      method: 'put',
      path: '/v1/viewers/{contract_id}/limits',
      summary: 'Limit the bandwidth of a viewer',
      description:
        'Sets a ceiling below that of its contract, at once; null takes it away. It is for all that the subject of the ' +
        "viewer's token watches of the stream, now and later, over restarts of the hub; of a viewer without a token it " +
        'stays with the connection.',
      action: 'control',
      cost: 'write',
      params: byContract,
      scope,
      body: viewerLimitsSchema,
      answer: { status: 200, schema: viewerStatisticsSchema },
      errors: ['contract_not_found'],
      handle: async (context, { params, body }) => {
        const viewer = viewerOf(context, params.contract_id)
        const object = `stream/${viewer.streamId}`
        const detail = { contract_id: viewer.contractId, ...body }
        const audit = record(context, viewer.tenantId, { action: 'viewer.limits', object, detail })
        await limits.set(viewer, body.max_kbps, audit)
        viewers.limit(viewer.contractId, body.max_kbps)
        return viewerStatistics(viewerOf(context, viewer.contractId))
      },
    }),
  ]
}

function notFound(streamId: string): CodedError {
  return new CodedError('stream_not_found', `there is no stream "${streamId}"`)
}
