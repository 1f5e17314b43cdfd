import test from 'ava'
import { runNamespaced } from '../support/namespaces.ts'

test('viewers on the network of the sender', async (t) => {
  t.timeout(240_000)
  t.log(await runNamespaced('lan-direct.ts'))
  t.pass()
})
