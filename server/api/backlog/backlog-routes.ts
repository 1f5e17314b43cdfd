import { z } from 'zod'
import { CodedError } from '../../../common/errors.ts'
import {
  MAX_SEGMENT_BYTES,
  rangeNameSchema,
  rangeOf,
  SEGMENT_TYPE,
  type SegmentRange,
  segmentSchema,
} from '../../../common/wire/backlog.ts'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { streamIdSchema } from '../../../common/wire/stream.ts'
import type { BacklogStore } from '../../backlog/backlog-store.ts'
import { defineRoute, Reply, type Route } from '../route.ts'

const PATH = '/v1/streams/{stream_id}/backlog'
const MOST_LISTED = 1000

const ofStream = z.strictObject({ stream_id: streamIdSchema })
const ofSegment = z.strictObject({ stream_id: streamIdSchema, range: rangeNameSchema })
const ofTenant = { tenant_id: tenantIdSchema.optional() }
const time = z.coerce.number().int().min(0).max(1e15)

/** What senders deliver later: a sender puts segments, a recorder reads them. */
export function backlogRoutes(
  backlog: Pick<BacklogStore, 'put' | 'list' | 'read' | 'remove'>,
  kept: (bytes: number) => void,
): Route[] {
  return [
    defineRoute({
      method: 'put',
      path: `${PATH}/{range}`,
      summary: 'Deliver media later',
      description:
        'A segment of MPEG-TS that could not be sent in time, with the capture times of its first and last picture in the path. The same segment again is no error. The hub keeps segments by stream, and within bounds: the oldest gives way.',
      action: 'publish',
      cost: 'write',
      params: ofSegment,
      query: z.strictObject(ofTenant),
      bodyTypes: [SEGMENT_TYPE],
      maxBodyBytes: MAX_SEGMENT_BYTES,
      body: z.instanceof(Buffer),
      answer: { status: 204 },
      errors: ['backlog_off', 'segment_differs', 'segment_invalid', 'segment_too_large'],
      handle: async ({ tenantId }, { params, body }) => {
        await backlog.put(tenantId, params.stream_id, range(params.range), body)
        kept(body.length)
      },
    }),
    defineRoute({
      method: 'get',
      path: PATH,
      summary: 'List what was delivered later',
      description: `Segments that overlap the capture times \`from\` to \`to\`, in the order of their beginnings, ${MOST_LISTED} at most. Where \`more\` is true, ask again \`from\` the beginning of the last one. Segments may overlap each other, and what was sent in time: the time stamps of the TS are those of the live stream.`,
      action: 'stream.read',
      cost: 'read',
      params: ofStream,
      query: z.strictObject({ ...ofTenant, from: time.optional(), to: time.optional() }),
      answer: {
        status: 200,
        schema: z.object({ segments: z.array(segmentSchema), more: z.boolean() }),
      },
      errors: ['backlog_off'],
      handle: async ({ tenantId }, { params, query }) => {
        const { from = 0, to = Number.MAX_SAFE_INTEGER } = query
        const found = await backlog.list(tenantId, params.stream_id, { from, to })
        const segments = found.slice(0, MOST_LISTED).map(({ from, to, bytes }) => ({ from, to, bytes }))
        return { segments, more: found.length > MOST_LISTED }
      },
    }),
    defineRoute({
      method: 'get',
      path: `${PATH}/{range}`,
      summary: 'Get a segment that was delivered later',
      description:
        'MPEG-TS as the sender made it, with capture times (TEMI). Consecutive segments make one stream.',
      action: 'subscribe',
      cost: 'read',
      timeoutMs: 60_000,
      params: ofSegment,
      query: z.strictObject(ofTenant),
      answer: { status: 200, type: SEGMENT_TYPE },
      errors: ['backlog_off', 'segment_not_found'],
      handle: async ({ tenantId }, { params }) =>
        new Reply(await backlog.read(tenantId, params.stream_id, range(params.range)), {}),
    }),
    defineRoute({
      method: 'delete',
      path: `${PATH}/{range}`,
      summary: 'Delete a segment that was delivered later',
      description: 'For recorders that have filled their gap. What nobody deletes gives way by age.',
      action: 'stream.write',
      cost: 'write',
      params: ofSegment,
      query: z.strictObject(ofTenant),
      answer: { status: 204 },
      errors: ['backlog_off', 'segment_not_found'],
      handle: ({ tenantId }, { params }) => backlog.remove(tenantId, params.stream_id, range(params.range)),
    }),
  ]
}

/** The schema has refused what is no range. */
function range(name: string): SegmentRange {
  const found = rangeOf(name)
  if (!found) throw new CodedError('bad_request', `${name} is no range`)
  return found
}
