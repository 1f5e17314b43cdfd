import { readFileSync } from 'node:fs'
import test from 'ava'
import { CODES_BY_PLACE, ERROR_CODES } from '../../common/error-codes.ts'
import { CodedError } from '../../common/errors.ts'
import { ERROR_PAGE, withErrorTables } from '../../tools/error-table.ts'

test('docs/api.md lists the codes as the catalogue has them', (t) => {
  const page = readFileSync(ERROR_PAGE, 'utf8')
  t.is(page, withErrorTables(page), 'run node tools/error-table.ts')
  for (const [code, [status, meaning]] of Object.entries(ERROR_CODES))
    t.true(page.includes(`| \`${code}\` | ${status} | ${meaning}`), code)
})

test('no code stands in the catalogue twice', (t) => {
  const { answers, logs } = CODES_BY_PLACE
  t.is(new Set([...answers, ...logs]).size, answers.length + logs.length)
})

test('an error has the status of its code, and a code that nobody wrote down does not compile', (t) => {
  t.is(new CodedError('stream_taken', 'x').status, 409)
  t.is(new CodedError('bad_request', 'x', { status: 413 }).status, 413)
  // @ts-expect-error: the type knows the codes.
  t.throws(() => new CodedError('no_such_code', 'x'))
})
