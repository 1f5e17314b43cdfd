import { MAX_TAKE_AHEAD_MS, takeAnswerSchema, takeSchema } from '../../../common/wire/programs-api.ts'
import { defineRoute } from '../route.ts'
import { askerOf, CUT_ERRORS, ofProgram, type ProgramParts, programToCut } from './program-parts.ts'

/** A take has its 5 s, those before it have theirs, and one may have a time. */
const TIMEOUT_MS = MAX_TAKE_AHEAD_MS + 20_000

export const takeRoute = (parts: ProgramParts) =>
  defineRoute({
    ...ofProgram,
    method: 'post',
    path: '/v1/programs/{program_id}/take',
    summary: 'Cut to an input',
    description:
      'Puts an input on air at its next keyframe, which is asked for at once, and answers when that has happened. Takes ' +
      'happen one after the other. A take with `request_id` is carried out once: the same caller gets the same answer ' +
      'for the same id, also while it is under way. A take with `at_unix_ms` waits for that time of the hub, up to 60 s; ' +
      'it is lost when the hub ends. A refused take leaves on air what is on air.',
    action: 'program.cut',
    cost: 'write',
    timeoutMs: TIMEOUT_MS,
    body: takeSchema,
    answer: { status: 200, schema: takeAnswerSchema },
    errors: [
      ...CUT_ERRORS,
      'tenant_not_found',
      'input_not_found',
      'input_not_live',
      'keyframe_late',
      'take_superseded',
      'request_reused',
      'gone',
    ],
    handle: (context, input) =>
      programToCut(parts, context, input).take(askerOf(parts, context, input), input.body),
  })
