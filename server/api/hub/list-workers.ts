import { type WorkersAnswer, workersAnswerSchema } from '../../../common/wire/statistics-api.ts'
import { defineRoute } from '../route.ts'

/** @param workers the load of each worker that is up */
export const listWorkers = ({ workers }: { readonly workers: () => Promise<WorkersAnswer> }) =>
  defineRoute({
    method: 'get',
    path: '/v1/workers',
    summary: 'List media workers',
    description: 'The media workers of this hub that are up, and what each carries.',
    action: 'node.read',
    role: 'admin',
    cost: 'read',
    answer: { status: 200, schema: workersAnswerSchema },
    handle: () => workers(),
  })
