import { z } from 'zod'
import { nodeIdSchema, principalIdSchema, tenantIdSchema } from '../../../common/wire/ids.ts'
import { newGrantsSchema } from '../../auth/principal.ts'
import { tokenRoleSchema } from '../../auth/token-record.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { badRequest } from '../refusals.ts'
import { defineRoute } from '../route.ts'
import { tokenInfoSchema } from './token-schemas.ts'

const DEFAULT_SECONDS = 86_400

export const issueToken = ({ auth: { tokens }, now }: Pick<AdministrationParts, 'auth' | 'now'>) =>
  defineRoute({
    method: 'post',
    path: '/v1/tokens',
    summary: 'Issue a token',
    description:
      "A JWT, or an API key that can live without an end. `token` is shown this once: the hub keeps a hash. Nobody gives away more than they have. The role `admin` is the hub's own and takes no tenant.",
    action: 'token.write',
    cost: 'write',
    body: z.strictObject({
      type: z.enum(['jwt', 'api-key']).default('jwt'),
      /** The future holder of the token, for instance a user's name. */
      subject: principalIdSchema,
      role: tokenRoleSchema,
      tenant_id: tenantIdSchema.optional(),
      /** The holder's node in the directory. */
      node_id: nodeIdSchema.optional(),
      /** Limits of the token, on top of the tenant's ACL; no limits by default. */
      grants: newGrantsSchema.optional(),
      label: z.string().max(100).optional(),
      /** By default a JWT lives a day, and an API key until it is revoked. */
      expires_in_seconds: z.number().int().min(1).max(315_360_000).optional(),
    }),
    answer: { status: 201, schema: z.object({ token: z.string(), ...tokenInfoSchema.shape }) },
    errors: ['token_lifetime', 'token_tenant', 'delegation_refused', 'tenant_not_found'],
    handle: async ({ principal, tenantId }, { body }) => {
      const { type, role, expires_in_seconds: seconds, tenant_id } = body
      if (role === 'admin' && tenant_id !== undefined)
        throw badRequest('an admin belongs to no tenant', [
          'body.tenant_id: must not be there with the role admin',
        ])
      const wanted = {
        subject: body.subject,
        role,
        tenant_id: role === 'admin' ? null : tenantId,
        node_id: body.node_id ?? null,
        by: principal,
        ...(body.grants === undefined ? {} : { grants: body.grants }),
        ...(body.label === undefined ? {} : { label: body.label }),
      }
      const { token, info } =
        type === 'jwt'
          ? await tokens.issueJwt(wanted, seconds ?? DEFAULT_SECONDS)
          : await tokens.issueApiKey(wanted, seconds === undefined ? null : now() + seconds * 1000)
      return { token, ...info }
    },
  })
