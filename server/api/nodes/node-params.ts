import { z } from 'zod'
import { nodeIdSchema, tenantIdSchema } from '../../../common/wire/ids.ts'

export const nodeParams = z.strictObject({ node_id: nodeIdSchema })
/** Which node the hub's admin means; everybody else means one of their own tenant's. */
export const nodeQuery = z.strictObject({ tenant_id: tenantIdSchema.optional() })
