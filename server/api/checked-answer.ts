import { isDeepStrictEqual } from 'node:util'
import { CodedError } from '../../common/errors.ts'
import { issueLines } from './issue-lines.ts'
import { Reply, type Route } from './route.ts'

/**
 * The answer, when it is what its route declares: as the schema wants it, and with nothing beside that.
 * @throws CodedError `answer_invalid` (500)
 */
export function checkedAnswer(route: Route, answer: unknown): unknown {
  const { schema, status, type } = route.answer
  const body: unknown = answer instanceof Reply ? answer.body : answer
  if (status === 204 || type !== undefined) return answer
  const asSent: unknown = body === undefined ? undefined : JSON.parse(JSON.stringify(body))
  const parsed = schema?.safeParse(asSent)
  if (parsed === undefined) throw invalid(route, ['the route declares no schema'])
  if (!parsed.success) throw invalid(route, issueLines('answer', parsed.error.issues))
  if (!isDeepStrictEqual(JSON.parse(JSON.stringify(parsed.data)), asSent))
    throw invalid(route, ['it holds something that its schema does not name'])
  return answer
}

function invalid({ method, path }: Route, details: readonly string[]): CodedError {
  return new CodedError('answer_invalid', `${method} ${path} gave another answer than it declares`, {
    details,
  })
}
