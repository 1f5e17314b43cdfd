import { autoSchema, programSchema } from '../../../common/wire/programs-api.ts'
import { defineRoute } from '../route.ts'
import { askerOf, CUT_ERRORS, ofProgram, type ProgramParts, programToCut } from './program-parts.ts'

export const autoRoute = (parts: ProgramParts) =>
  defineRoute({
    ...ofProgram,
    method: 'post',
    path: '/v1/programs/{program_id}/auto',
    summary: 'Follow the inputs, or stay',
    description:
      'On: the best healthy input in the order of the inputs is on air, as with standby; what is taken by hand stays until ' +
      'it fails, or until this is asked again. Off: what is on air stays, and gives way to the slate alone.',
    action: 'program.cut',
    cost: 'write',
    body: autoSchema,
    answer: { status: 200, schema: programSchema },
    errors: [...CUT_ERRORS, 'tenant_not_found'],
    handle: async (context, input) => {
      const program = programToCut(parts, context, input)
      await program.setAuto(askerOf(parts, context, input), input.body.auto)
      return program.view()
    },
  })
