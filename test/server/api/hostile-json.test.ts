import test from 'ava'
import { refuseHostileJson } from '../../../server/api/hostile-json.ts'

const refusal = (text: string): string | null => {
  try {
    refuseHostileJson(Buffer.from(text))
    return null
  } catch (error) {
    return String(Reflect.get(error ?? {}, 'details'))
  }
}
const many = (count: number, item: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => item(index)).join(',')

test('names that reach a prototype are refused wherever they stand and however they are written', (t) => {
  const names = [
    '__proto__',
    'constructor',
    'prototype',
    '\\u005f_proto__',
    'prototyp\\u0065',
    '\\u0063onstructor',
  ]
  for (const name of names)
    for (const text of [
      ...[
        `{"${name}":1}`,
        `{"a":1,"${name}":1}`,
        `{ "a" : [ 1 ] , "${name}" : 1 }`,
        `[{"a":{"${name}":{}}}]`,
      ],
      ...[
        `{"a":"b","${name}":1}`,
        `{"a":{},"${name}":1}`,
        `[[],{"x":[1,2],"${name}":1}]`,
        `{"a\\"":1,"${name}":1}`,
      ],
    ])
      t.regex(refusal(text) ?? '', /^body: no field may be named /, text)
})

test('the same words as values, or in other names, are taken', (t) => {
  for (const text of [
    ...['{"a":"__proto__"}', '["constructor","prototype"]', '{"a":["__proto__",{"b":"prototype"}]}'],
    ...[
      '{"__proto":1}',
      '{"constructor_":1}',
      '{"\\\\u005f_proto__":1}',
      '"__proto__"',
      '{"a":"{\\"__proto__\\":1}"}',
    ],
  ]) {
    t.is(refusal(text), null, text)
    t.notThrows(() => JSON.parse(text))
  }
})

test('depth, values and fields are counted outside of texts alone', (t) => {
  t.is(refusal(`${'['.repeat(32)}${']'.repeat(32)}`), null)
  t.is(refusal('['.repeat(33)), 'body: nested deeper than 32 levels')
  t.is(refusal(JSON.stringify('['.repeat(100))), null)
  t.is(refusal(`[${'[],'.repeat(100)}1]`), null, 'one after the other is not deep')
  t.is(refusal(`{${many(100, (index) => `"k${index}":1`)}}`), null)
  t.is(refusal(`{${many(101, (index) => `"k${index}":1`)}}`), 'body: one object has more than 100 fields')
  t.is(refusal(`{"a":[${many(500, () => '1')}],"b":{"c":1}}`), null, "a list's values are no fields")
  t.is(refusal(`[${many(15_900, () => '1')}]`), null)
  t.is(refusal(`[${many(16_100, () => '1')}]`), 'body: more than 16000 values')
  t.is(refusal(JSON.stringify(','.repeat(20_000))), null)
})

test('what is no JSON is left to the parser', (t) => {
  for (const text of ['', '"', '"\\', '{"', '}]', '{"a', '[}', '\\"', '{"a":1}}}}'])
    t.is(refusal(text), null, text)
})
