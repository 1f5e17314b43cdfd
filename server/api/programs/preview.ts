import { previewSchema, programSchema } from '../../../common/wire/programs-api.ts'
import { defineRoute } from '../route.ts'
import { askerOf, CUT_ERRORS, ofProgram, type ProgramParts, programToCut } from './program-parts.ts'

export const previewRoute = (parts: ProgramParts) =>
  defineRoute({
    ...ofProgram,
    method: 'post',
    path: '/v1/programs/{program_id}/preview',
    summary: 'Arm an input',
    description:
      'Keeps all layers of one input running and its keyframes coming, so that a take of it waits for one frame. ' +
      '`"input": null` arms none.',
    action: 'program.cut',
    cost: 'write',
    body: previewSchema,
    answer: { status: 200, schema: programSchema },
    errors: [...CUT_ERRORS, 'tenant_not_found', 'input_not_found'],
    handle: (context, input) => {
      const program = programToCut(parts, context, input)
      program.preview(askerOf(parts, context, input), input.body.input)
      return program.view()
    },
  })
