import { programSchema } from '../../../common/wire/programs-api.ts'
import { ETAG_HEADER, entityTag } from '../preconditions.ts'
import { defineRoute, Reply } from '../route.ts'
import { ofProgram, type ProgramParts } from './program-parts.ts'

export const getProgram = ({ programs }: Pick<ProgramParts, 'programs'>) =>
  defineRoute({
    ...ofProgram,
    method: 'get',
    path: '/v1/programs/{program_id}',
    summary: 'Read a program',
    description: 'What is on air and armed, how each input is, and who has the lock.',
    action: 'program.read',
    cost: 'read',
    answer: { status: 200, schema: programSchema, headers: ETAG_HEADER },
    errors: ['tenant_not_found', 'program_not_found'],
    handle: ({ tenantId }, { params }) => {
      const program = programs.get(tenantId, params.program_id)
      return new Reply(program.view(), { etag: entityTag(program.version) })
    },
  })
