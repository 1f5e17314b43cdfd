import { createProgramSchema, programSchema } from '../../../common/wire/programs-api.ts'
import { ETAG_HEADER, entityTag } from '../preconditions.ts'
import { defineRoute, Reply } from '../route.ts'
import type { ProgramParts } from './program-parts.ts'

export const createProgram = ({ programs }: Pick<ProgramParts, 'programs'>) =>
  defineRoute({
    method: 'post',
    path: '/v1/programs',
    summary: 'Create a program',
    description:
      'Makes a stream whose inputs are other streams of the tenant, by id or pattern, in the order of preference. The ' +
      'inputs need not be there yet, and the program shows only what the caller may watch. Viewers watch it like any ' +
      'stream. It stands until it is deleted. Patterns take programs, too: no program may be an input of itself, nor ' +
      'more than 4 stand one behind the other.',
    action: 'program.manage',
    cost: 'write',
    body: createProgramSchema,
    bodyScope: {
      names: ['tenant_id', 'stream_id'],
      of: ({ tenant_id, program_id }) => ({ tenantId: tenant_id, streamId: program_id }),
    },
    answer: { status: 201, schema: programSchema, headers: ETAG_HEADER },
    errors: [
      'tenant_not_found',
      'input_denied',
      'stream_exists',
      'too_many_programs',
      'program_loop',
      'program_too_deep',
      'saturated',
      'ports_exhausted',
    ],
    handle: async ({ principal, tenantId, requestId }, { body }) => {
      const program = await programs.create(principal, tenantId, body, requestId)
      return new Reply(program.view(), { etag: entityTag(program.version) })
    },
  })
