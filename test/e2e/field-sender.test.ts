import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { OWN_ARCHITECTURE } from '../../tools/package/architectures.ts'
import { runNamespaced } from '../support/namespaces.ts'
import { buildDebian, buildTarball, withEntry } from '../support/packaged-agent.ts'

test('an installed field sender survives the field, and a viewer saw it all', async (t) => {
  t.timeout(480_000)
  if (OWN_ARCHITECTURE === undefined) return t.log('the agent is not packaged for this machine')
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-packages-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const [next] = await Promise.all([buildTarball('1.1.0'), buildDebian('1.0.0', folder)])
  await writeFile(join(folder, '1.1.0'), next)
  await writeFile(join(folder, '1.2.0'), await withEntry(next, '1.2.0', 'process.exit(1)\n'))
  t.log(await runNamespaced('field-sender.ts', { LANECAST_PACKAGES: folder }))
  t.pass()
})
