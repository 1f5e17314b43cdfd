import test from 'ava'
import { runNamespaced } from '../support/namespaces.ts'

test('clients without the SDK go on where networks change and close', async (t) => {
  t.timeout(240_000)
  t.log(await runNamespaced('roaming-peers.ts'))
  t.pass()
})
