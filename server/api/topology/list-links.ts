import { z } from 'zod'
import { nodeIdSchema, tenantIdSchema } from '../../../common/wire/ids.ts'
import { LINK_STANDINGS, linkViewSchema } from '../../../common/wire/topology.ts'
import type { Topology } from '../../topology/graph.ts'
import { visibleLinks } from '../../topology/views.ts'
import { nextSchema, pageOf, pageQuery } from '../list-page.ts'
import { defineRoute } from '../route.ts'

export interface LinkListParts {
  readonly topology: Topology
  /** Unix milliseconds. */
  readonly now: () => number
}

export const listLinks = ({ topology, now }: LinkListParts) =>
  defineRoute({
    method: 'get',
    path: '/v1/links',
    summary: 'List links',
    description:
      "The tenant's links with their newest report, its age and weight, and their standing by the evidence of " +
      'delivered packets: `serving`, `probing`, `unproven`, `silent` or `dead`.',
    action: 'node.read',
    cost: 'read',
    query: z.strictObject({
      ...pageQuery,
      tenant_id: tenantIdSchema.optional(),
      /** The node where a link starts. */
      node_id: nodeIdSchema.optional(),
      standing: z.enum(LINK_STANDINGS).optional(),
    }),
    answer: { status: 200, schema: z.object({ links: z.array(linkViewSchema), next: nextSchema }) },
    errors: ['tenant_not_found'],
    handle: ({ tenantFilter }, { query: { node_id, standing, ...page } }) => {
      const wanted = visibleLinks(topology, tenantFilter, now()).filter(
        (link) =>
          (node_id === undefined || link.from === node_id) &&
          (standing === undefined || link.standing === standing),
      )
      const { items, next } = pageOf(wanted, linkKey, page)
      return { links: items, next }
    },
  })

/** The order in which `visibleLinks` lists. */
const linkKey = ({ from, link_id, tenant_id }: { from: string; link_id: string; tenant_id: string | null }) =>
  `${from} ${link_id} ${tenant_id ?? ''}`
