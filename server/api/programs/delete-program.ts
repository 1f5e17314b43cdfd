import { actorOf } from '../../auth/principal.ts'
import { requireMatch } from '../preconditions.ts'
import { defineRoute } from '../route.ts'
import { ofProgram, type ProgramParts } from './program-parts.ts'

export const deleteProgram = ({ programs }: Pick<ProgramParts, 'programs'>) =>
  defineRoute({
    ...ofProgram,
    method: 'delete',
    path: '/v1/programs/{program_id}',
    summary: 'Delete a program',
    description:
      'Its stream ends, and whoever watches is told so. Its inputs go on. Programs that take it find nothing there.',
    action: 'program.manage',
    cost: 'write',
    ifMatch: 'optional',
    answer: { status: 204 },
    errors: ['tenant_not_found', 'program_not_found', 'version_conflict'],
    handle: async (context, { params }) => {
      const program = programs.get(context.tenantId, params.program_id)
      requireMatch(context.ifMatch, program.version)
      await programs.remove({ actor: actorOf(context.principal), requestId: context.requestId }, program)
    },
  })
