import { z } from 'zod'
import { SYSTEM_CLOCK } from '../../../common/clock.ts'
import { nodeRoleSchema, tenantIdSchema } from '../../../common/wire/ids.ts'
import { nodeViewSchema } from '../../../common/wire/topology.ts'
import { visibleNodes } from '../../topology/views.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { nextSchema, pageOf, pageQuery } from '../list-page.ts'
import { defineRoute } from '../route.ts'

export const listNodes = ({ topology }: Pick<AdministrationParts, 'topology'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/nodes',
    summary: 'List nodes',
    description: "A tenant's own, and those that the hub shares with every tenant.",
    action: 'node.read',
    cost: 'read',
    query: z.strictObject({
      ...pageQuery,
      tenant_id: tenantIdSchema.optional(),
      role: nodeRoleSchema.optional(),
      up: z.boolean().optional(),
    }),
    answer: { status: 200, schema: z.object({ nodes: z.array(nodeViewSchema), next: nextSchema }) },
    errors: ['tenant_not_found'],
    handle: ({ tenantFilter }, { query: { role, up, ...page } }) => {
      const wanted = visibleNodes(topology, tenantFilter, SYSTEM_CLOCK.steady()).filter(
        (node) => (role === undefined || node.role === role) && (up === undefined || node.up === up),
      )
      const { items, next } = pageOf(wanted, keyOf, page)
      return { nodes: items, next }
    },
  })

const keyOf = ({ node_id, tenant_id }: { node_id: string; tenant_id: string | null }) =>
  `${node_id} ${tenant_id ?? ''}`
