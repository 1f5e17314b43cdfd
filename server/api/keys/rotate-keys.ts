import { z } from 'zod'
import type { AdministrationParts } from '../administration-parts.ts'
import { defineRoute } from '../route.ts'

export const rotateKeys = ({ auth }: Pick<AdministrationParts, 'auth'>) =>
  defineRoute({
    method: 'post',
    path: '/v1/keys/rotate',
    summary: "Rotate the hub's keys",
    description:
      'Signs tokens, or node certificates, with a new key from now on. What the old one signed stays good until it expires; with `compromised` nothing of it is trusted any more: users need new tokens, nodes must enrol again.',
    action: 'token.write',
    role: 'admin',
    cost: 'enrol',
    body: z.strictObject({
      what: z.enum(['tokens', 'certificates']),
      compromised: z.boolean().default(false),
    }),
    answer: { status: 200, schema: z.object({ key_id: z.string() }) },
    handle: async ({ principal }, { body: { what, compromised } }) => ({
      key_id:
        what === 'tokens'
          ? await auth.tokens.rotateSigningKey(principal, compromised)
          : await auth.rotateAuthority(principal, compromised),
    }),
  })
