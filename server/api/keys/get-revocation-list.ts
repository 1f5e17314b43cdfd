import { z } from 'zod'
import type { AdministrationParts } from '../administration-parts.ts'
import { defineRoute, Reply } from '../route.ts'

export const getRevocationList = ({ auth: { certificates } }: Pick<AdministrationParts, 'auth'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/crl',
    summary: 'Get the certificate revocation list',
    description:
      "In DER (RFC 5280), signed by the hub's current CA; with `authority` that of another CA that is still trusted.",
    action: null,
    cost: 'read',
    query: z.strictObject({
      authority: z
        .string()
        .regex(/^[a-z0-9]{1,64}$/, 'an authority is 1 to 64 lower-case letters or digits')
        .optional(),
    }),
    answer: { status: 200, type: 'application/pkix-crl' },
    errors: ['authority_not_found'],
    handle: async (_context, { query }) => {
      const { der } = await certificates.revocationList(query.authority)
      return new Reply(der, {})
    },
  })
