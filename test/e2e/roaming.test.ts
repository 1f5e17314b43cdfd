import test from 'ava'
import { runNamespaced } from '../support/namespaces.ts'

test('browsers that change networks go on', async (t) => {
  t.timeout(300_000)
  t.log(await runNamespaced('roaming.ts'))
  t.pass()
})
