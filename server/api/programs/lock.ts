import { lockRequestSchema, programSchema } from '../../../common/wire/programs-api.ts'
import { defineRoute } from '../route.ts'
import { askerOf, CUT_ERRORS, mayBreak, ofProgram, type ProgramParts, programToCut } from './program-parts.ts'

export const lockRoute = (parts: ProgramParts) =>
  defineRoute({
    ...ofProgram,
    method: 'post',
    path: '/v1/programs/{program_id}/lock',
    summary: 'Take the lock of a program',
    description:
      'From now on only the caller cuts, arms and sets `auto`, with all tokens of the same user or node. The lock lasts ' +
      'for `seconds` after the last of these. `"break": true` takes it from its holder, which needs `program.manage`.',
    action: 'program.cut',
    cost: 'write',
    body: lockRequestSchema,
    answer: { status: 200, schema: programSchema },
    errors: [...CUT_ERRORS, 'tenant_not_found'],
    handle: async (context, input) => {
      const program = programToCut(parts, context, input)
      await program.lock(askerOf(parts, context, input), input.body, mayBreak(parts, context, input))
      return program.view()
    },
  })

export const unlockRoute = (parts: ProgramParts) =>
  defineRoute({
    ...ofProgram,
    method: 'delete',
    path: '/v1/programs/{program_id}/lock',
    summary: 'Give the lock of a program back',
    description:
      "Ends the caller's own lock; with `program.manage` anybody's. Without a lock it does nothing.",
    action: 'program.cut',
    cost: 'write',
    answer: { status: 204 },
    errors: [...CUT_ERRORS, 'tenant_not_found'],
    handle: async (context, input) => {
      const program = programToCut(parts, context, input)
      await program.unlock(askerOf(parts, context, input), mayBreak(parts, context, input))
    },
  })
