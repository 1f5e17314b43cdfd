import test from 'ava'
import { runNamespaced } from '../support/namespaces.ts'

test('a field sender with uplinks of its own', async (t) => {
  t.timeout(240_000)
  t.log(await runNamespaced('field-lab.ts'))
  t.pass()
})
