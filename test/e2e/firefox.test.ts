import test from 'ava'
import { runNamespaced } from '../support/namespaces.ts'

test('Firefox publishes, watches and comes back, in a network of its own', async (t) => {
  t.timeout(300_000)
  t.log(await runNamespaced('firefox.ts'))
  t.pass()
})
