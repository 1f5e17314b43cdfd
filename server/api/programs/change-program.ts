import { changeProgramSchema, programSchema } from '../../../common/wire/programs-api.ts'
import { ETAG_HEADER, entityTag, requireMatch } from '../preconditions.ts'
import { defineRoute, Reply } from '../route.ts'
import { ofProgram, type ProgramParts } from './program-parts.ts'

export const changeProgram = ({ programs }: Pick<ProgramParts, 'programs'>) =>
  defineRoute({
    ...ofProgram,
    method: 'patch',
    path: '/v1/programs/{program_id}',
    summary: 'Change a program',
    description:
      'Only what is named changes, while the program runs; `inputs` take the place of all inputs before. A program whose ' +
      'inputs change shows what this caller may watch from then on. An input on air that is no input any more gives way: to ' +
      'the best healthy one with `auto`, else to the slate until something is taken.',
    action: 'program.manage',
    cost: 'write',
    ifMatch: 'optional',
    body: changeProgramSchema,
    answer: { status: 200, schema: programSchema, headers: ETAG_HEADER },
    errors: [
      'tenant_not_found',
      'program_not_found',
      'input_denied',
      'program_loop',
      'program_too_deep',
      'version_conflict',
    ],
    handle: async ({ principal, tenantId, requestId, ifMatch }, { params, body }) => {
      const program = programs.get(tenantId, params.program_id)
      const matches = (version: number) => requireMatch(ifMatch, version)
      await programs.change(principal, program, body, requestId, matches)
      return new Reply(program.view(), { etag: entityTag(program.version) })
    },
  })
