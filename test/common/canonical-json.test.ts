import test from 'ava'
import { canonicalJson } from '../../common/canonical-json.ts'
import { CodedError } from '../../common/errors.ts'

test('members are sorted by UTF-16 code units at every depth', (t) => {
  // The order of RFC 8785 section 3.2.3, and names that JavaScript itself would put first.
  const value = {
    '\u20ac': 1,
    '\r': 2,
    '1': 3,
    '10': 4,
    '9': 5,
    '\u{1f600}': 6,
    ö: 7,
    '\ufb33': 8,
    a: { z: [], b: {} },
  }
  t.is(
    canonicalJson(value),
    '{"\\r":2,"1":3,"10":4,"9":5,"a":{"b":{},"z":[]},"ö":7,"€":1,"\u{1f600}":6,"\ufb33":8}',
  )
})

test('numbers and text are written as RFC 8785 says', (t) => {
  t.is(
    canonicalJson([1e21, 1e-7, 0.1 + 0.2, -0, 333333333.3333333]),
    '[1e+21,1e-7,0.30000000000000004,0,333333333.3333333]',
  )
  t.is(canonicalJson('\u0000\u001f"\\/\u2028'), '"\\u0000\\u001f\\"\\\\/\u2028"')
})

test('what JSON leaves out is left out', (t) => {
  t.is(
    canonicalJson({ a: undefined, b: () => 1, c: [undefined, Number.NaN], d: new Date(0) }),
    '{"c":[null,null],"d":"1970-01-01T00:00:00.000Z"}',
  )
  t.is(canonicalJson(undefined), 'null')
  t.is(
    canonicalJson(JSON.parse('{"__proto__":{"x":1},"constructor":2}')),
    '{"__proto__":{"x":1},"constructor":2}',
  )
})

test('what JSON can not hold is refused', (t) => {
  const cycle: unknown[] = []
  cycle.push(cycle)
  let deep: unknown[] = []
  for (let depth = 0; depth < 100_000; depth++) deep = [deep]
  for (const value of [cycle, 1n, deep])
    t.throws(() => canonicalJson(value), { instanceOf: CodedError, code: 'not_json' })
})
