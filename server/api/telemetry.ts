import { z } from 'zod'
import { tenantIdSchema } from '../../common/wire/ids.ts'
import {
  type TelemetryBody,
  telemetryAnswerSchema,
  telemetryBodySchema,
} from '../../common/wire/telemetry.ts'
import type { TelemetryIntake } from '../telemetry/intake.ts'
import { checkReports, reporterOf } from '../telemetry/reporter.ts'
import { badRequest } from './refusals.ts'
import { defineRoute } from './route.ts'

/** Most streams that one batch may be about. */
const MAX_STREAMS = 64

/** Takes reports of nodes and viewers at once. They are evaluated afterwards. */
export const postTelemetry = (intake: Pick<TelemetryIntake, 'accept'>) =>
  defineRoute({
    method: 'post',
    path: '/v1/telemetry',
    summary: 'Report measurements',
    description:
      'One report or a batch of up to 1000 about up to 64 streams, which is taken or refused as a whole. A node reports for itself only; a ' +
      'viewer about the stream it watches, with `node_id` naming the hub or edge it has it from. Only ' +
      '`packets_delivered` above 0 proves that a link works. Reports that turn out to be older than 30 s, dated ' +
      'ahead, or about unknown nodes are counted and dropped. 429 says when to come again.',
    action: 'telemetry',
    cost: 'telemetry',
    query: z.strictObject({ tenant_id: tenantIdSchema.optional() }),
    body: telemetryBodySchema,
    answer: { status: 202, schema: telemetryAnswerSchema },
    errors: ['stream_missing', 'not_your_node', 'tenant_not_found', 'telemetry_saturated'],
    bodyScope: { names: ['stream_id'], of: (body) => ({ streamIds: streamsIn(body) }) },
    units: ({ body }) => (Array.isArray(body) ? body.length : 1),
    handle: ({ principal, tenantId }, { body }) => {
      const reports = Array.isArray(body) ? body : [body]
      const shared = principal.node_id !== null && principal.tenant_id === null
      const reporter = reporterOf(principal, shared ? null : tenantId)
      checkReports(reporter, reports)
      intake.accept(reporter, reports)
      return { accepted: reports.length }
    },
  })

/** @throws CodedError 400 for too many streams: the ACL is asked about each */
function streamsIn(body: TelemetryBody): (string | null)[] {
  const reports = Array.isArray(body) ? body : [body]
  const streams = [...new Set(reports.map(({ stream_id }) => stream_id ?? null))]
  if (streams.length <= MAX_STREAMS) return streams
  throw badRequest('the batch is about too many streams', [
    `body: about ${streams.length} streams; at most ${MAX_STREAMS} in one batch`,
  ])
}
