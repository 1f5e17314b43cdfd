import { z } from 'zod'
import { programSchema } from '../../../common/wire/programs-api.ts'
import { askAcl } from '../../../policy/acl.ts'
import { defineRoute } from '../route.ts'
import { type ProgramParts, programQuery } from './program-parts.ts'

export const listPrograms = ({ programs, policyOf }: Pick<ProgramParts, 'programs' | 'policyOf'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/programs',
    summary: 'List programs',
    description: 'The programs that the caller may read, with what is on air and how their inputs are.',
    action: 'program.read',
    lists: true,
    cost: 'read',
    query: programQuery,
    answer: { status: 200, schema: z.object({ programs: z.array(programSchema) }) },
    errors: ['tenant_not_found'],
    handle: ({ principal, tenantFilter }) => ({
      programs: programs
        .list(tenantFilter)
        .filter(
          ({ tenantId, id }) =>
            askAcl(policyOf(tenantId).acl, { principal, action: 'program.read', streamId: id }).allowed,
        )
        .map((program) => program.view()),
    }),
  })
