import { isDeepStrictEqual } from 'node:util'
import { CodedError } from '../../common/errors.ts'
import { issueLines } from '../../common/issue-lines.ts'
import { Reply, type Route } from './route.ts'

/**
 * The answer, if it is what its route declares: as the schema wants it, with nothing beside that.
 * @throws CodedError `answer_invalid` (500)
 */
export function checkedAnswer(route: Route, answer: unknown): unknown {
  const { schema, status, type, orNothing } = route.answer
  const body: unknown = answer instanceof Reply ? answer.body : answer
  const given = answer instanceof Reply ? answer : new Reply(answer, {})
  if (given.status === 204 && orNothing === undefined && status !== 204)
    throw invalid(route, ['204 is none of its answers'])
  checkHeaders(route, Object.keys(given.headers))
  if (status === 204 || type !== undefined) return answer
  const asSent: unknown = body === undefined ? undefined : JSON.parse(JSON.stringify(body))
  const parsed = schema?.safeParse(asSent)
  if (parsed === undefined) throw invalid(route, ['the route declares no schema'])
  if (!parsed.success) throw invalid(route, issueLines('answer', parsed.error.issues))
  if (!isDeepStrictEqual(JSON.parse(JSON.stringify(parsed.data)), asSent))
    throw invalid(route, ['it holds something that its schema does not name'])
  return answer
}

/** Headers that concern no client need no declaration. */
const FREE: ReadonlySet<string> = new Set(['cache-control', 'content-security-policy'])

function checkHeaders(route: Route, given: readonly string[]): void {
  const declared = Object.entries(route.answer.headers ?? {})
  const names = new Set(declared.map(([name]) => name.toLowerCase()))
  const unknown = given.filter((name) => !names.has(name) && !FREE.has(name))
  const missing = declared.filter(([name, { optional }]) => !optional && !given.includes(name.toLowerCase()))
  const details = [
    ...unknown.map((name) => `header ${name} is not declared`),
    ...missing.map(([name]) => `header ${name} is missing`),
  ]
  if (details.length > 0) throw invalid(route, details)
}

function invalid({ method, path }: Route, details: readonly string[]): CodedError {
  return new CodedError('answer_invalid', `${method} ${path} gave another answer than it declares`, {
    details,
  })
}
