import { z } from 'zod'
import { csrSchema, nodeCertificateGrantSchema } from '../../../common/wire/enrolment.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { defineRoute } from '../route.ts'

export const renewNode = ({ auth: { certificates } }: Pick<AdministrationParts, 'auth'>) =>
  defineRoute({
    method: 'post',
    path: '/v1/node/renew',
    summary: "Renew a node's certificate",
    description:
      'For a node that proves itself with its present certificate by TLS. That one stays good until it expires.',
    action: null,
    role: 'node',
    cost: 'enrol',
    maxBodyBytes: 16 * 1024,
    body: z.strictObject({ csr: csrSchema }),
    answer: { status: 201, schema: nodeCertificateGrantSchema },
    errors: ['csr_invalid', 'csr_key', 'certificate_required', 'csr_key_used', 'too_many_certificates'],
    handle: async ({ principal }, { body }) => {
      const { certificate, authorities } = await certificates.renew(principal, body.csr)
      const { pem, serial, not_after } = certificate
      return { certificate: pem, serial, not_after, authorities: [...authorities] }
    },
  })
