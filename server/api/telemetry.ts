import { z } from 'zod'
import { tenantIdSchema } from '../../common/wire/ids.ts'
import {
  type TelemetryBody,
  telemetryAnswerSchema,
  telemetryBodySchema,
} from '../../common/wire/telemetry.ts'
import { type TelemetryIntake, TelemetrySaturated } from '../telemetry/intake.ts'
import { checkReports, reporterOf } from '../telemetry/reporter.ts'
import { ApiError } from './api-error.ts'
import { defineRoute } from './route.ts'

/** Takes reports of nodes and viewers at once; they are worked in afterwards. */
export const postTelemetry = (intake: Pick<TelemetryIntake, 'accept'>) =>
  defineRoute({
    method: 'post',
    path: '/v1/telemetry',
    summary: 'Report measurements',
    description:
      'One report or a batch of up to 1000, which is taken or refused as a whole. A node reports for itself only; a ' +
      'viewer about the stream it watches, with `node_id` naming the hub or edge it has it from. Only ' +
      '`packets_delivered` above 0 proves that a link works. Reports that turn out to be older than 30 s, dated ' +
      'ahead, or about unknown nodes are counted and dropped. 429 says when to come again.',
    action: 'telemetry',
    cost: 'telemetry',
    query: z.strictObject({ tenant_id: tenantIdSchema.optional() }),
    body: telemetryBodySchema,
    answer: { status: 202, schema: telemetryAnswerSchema },
    errors: {
      400: ['stream_missing'],
      403: ['not_your_node'],
      404: ['tenant_not_found'],
      429: ['telemetry_saturated'],
    },
    scope: ({ query, body }) => ({ tenantId: query.tenant_id, streamId: onlyStream(body) }),
    units: ({ body }) => (Array.isArray(body) ? body.length : 1),
    handle: ({ principal, tenantId }, { body }) => {
      const reports = Array.isArray(body) ? body : [body]
      const shared = principal.node_id !== null && principal.tenant_id === null
      const reporter = reporterOf(principal, shared ? null : tenantId)
      checkReports(reporter, reports)
      try {
        intake.accept(reporter, reports)
      } catch (error) {
        if (!(error instanceof TelemetrySaturated)) throw error
        const { code, message, details, retryAfterSeconds } = error
        throw new ApiError(429, code, message, { details, retryAfterSeconds })
      }
      return { accepted: reports.length }
    },
  })

/** The stream that all reports are about; a batch about several needs a right to all streams. */
function onlyStream(body: TelemetryBody): string | undefined {
  if (!Array.isArray(body)) return body.stream_id
  const streamId = body[0]?.stream_id
  return body.every((report) => report.stream_id === streamId) ? streamId : undefined
}
