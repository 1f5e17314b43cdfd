import { z } from 'zod'
import { nodeEntrySchema, nodeLabelsSchema, nodeViewSchema } from '../../../common/wire/topology.ts'
import { ETAG_HEADER } from '../preconditions.ts'
import { defineRoute } from '../route.ts'
import { changeNode, type NodeChangeParts } from './change-node.ts'
import { nodeParams, nodeQuery } from './own-node.ts'

export const patchNode = (parts: NodeChangeParts) =>
  defineRoute({
    method: 'patch',
    path: '/v1/nodes/{node_id}',
    summary: 'Change a node',
    description:
      'Only what is named changes; `labels` take the place of all labels before. null takes a bound or region away.',
    action: 'node.write',
    cost: 'write',
    ifMatch: 'optional',
    params: nodeParams,
    query: nodeQuery,
    body: z
      .strictObject({
        region: nodeEntrySchema.shape.region.unwrap().optional(),
        labels: nodeLabelsSchema.optional(),
        max_flows: nodeEntrySchema.shape.max_flows.unwrap().optional(),
        max_kbps: nodeEntrySchema.shape.max_kbps.unwrap().optional(),
        /** IEEE 1588 clock, and time-sensitive networking, of the node and the wires to it. */
        ptp: z.boolean().optional(),
        tsn: z.boolean().optional(),
      })
      .refine((body) => Object.keys(body).length > 0, { message: 'must name something to change' }),
    answer: { status: 200, schema: nodeViewSchema, headers: ETAG_HEADER },
    errors: ['tenant_not_found', 'node_not_found', 'version_conflict'],
    handle: (context, { params, body }) => {
      const { region, labels, max_flows, max_kbps, ptp, tsn } = body
      return changeNode(parts, context, params.node_id, 'node.change', {
        ...(region === undefined ? {} : { region }),
        ...(labels === undefined ? {} : { labels }),
        ...(max_flows === undefined ? {} : { max_flows }),
        ...(max_kbps === undefined ? {} : { max_kbps }),
        ...(ptp === undefined ? {} : { ptp }),
        ...(tsn === undefined ? {} : { tsn }),
      })
    },
  })
