import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import test from 'ava'
import { parseConfigText } from '../../common/node-config/config-text.ts'
import { broadcastSchema, nodeConfigSchema } from '../../common/wire/node-config.ts'

const text = readFileSync(resolve(import.meta.dirname, '../../docs/field.md'), 'utf8')

test('every document in docs/field.md can be applied', (t) => {
  const documents = [...text.matchAll(/^```toml\n(.*?)^```/gms)].map(([, document = '']) => document)
  t.true(documents.length >= 3)
  for (const document of documents) t.notThrows(() => parseConfigText(document, 'toml'), document)
})

test('every field of a document stands in the table', (t) => {
  const rows = [...text.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(
    ([, names = '']) => names.match(/[a-z_]+/g) ?? [],
  )
  for (const field of [...Object.keys(nodeConfigSchema.shape), ...Object.keys(broadcastSchema.shape)])
    t.true(rows.includes(field), field)
})
