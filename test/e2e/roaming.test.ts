import test from 'ava'
import { runNamespaced } from '../support/namespaces.ts'

test('browsers that change networks go on', async (t) => {
  t.timeout(240_000)
  t.log(await runNamespaced('roaming.ts'))
})
