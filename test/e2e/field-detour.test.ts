import test from 'ava'
import { runNamespaced } from '../support/namespaces.ts'

test('a field sender without UDP is watched, in a network of its own', async (t) => {
  t.timeout(300_000)
  t.log(await runNamespaced('field-detour.ts'))
  t.pass()
})
