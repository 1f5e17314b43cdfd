import { z } from 'zod'
import { nodeIdSchema, tenantIdSchema } from '../../../common/wire/ids.ts'

export const nodeParams = z.strictObject({ node_id: nodeIdSchema })
/** The tenant of the node, from the hub's admin. For everybody else the node is one of their own tenant. */
export const nodeQuery = z.strictObject({ tenant_id: tenantIdSchema.optional() })
