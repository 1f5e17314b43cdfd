import test from 'ava'
import { runNamespaced } from '../../support/namespaces.ts'

test('a field sender delivers later what no link carried, in networks of its own', async (t) => {
  t.timeout(300_000)
  t.log(await runNamespaced('store-and-forward.ts'))
  t.pass()
})
