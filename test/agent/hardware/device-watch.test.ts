import test from 'ava'
import { runNamespaced } from '../../support/namespaces.ts'

test('a device tells what is plugged in and out within a second', async (t) => {
  t.log(await runNamespaced('device-watch.ts'))
  t.pass()
})
