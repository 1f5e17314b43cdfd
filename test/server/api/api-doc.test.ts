import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { apiRig } from './api-rig.ts'

const DOC = resolve(import.meta.dirname, '../../../docs/api.md')

test('what docs/api.md says to type works as printed', async (t) => {
  await using rig = await apiRig()
  const blocks = [...(await readFile(DOC, 'utf8')).matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block)
  t.is(blocks.length, 2)
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-api-doc-'))
  t.teardown(() => rm(folder, { recursive: true }))
  // Any status that is no success ends the script.
  await writeFile(join(folder, '.curlrc'), 'fail-with-body\nsilent\nshow-error\n')
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', blocks.join('\n')], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, CURL_HOME: folder, HUB: rig.url, TOKEN: rig.adminToken },
    timeout: 20_000,
  })
  t.true(stdout.includes('-----BEGIN CERTIFICATE-----'))
  t.is(rig.policies.current('default').version, 2)
  t.is([...rig.topology.records()].length, 1)
  t.deepEqual(rig.failures, [])
})
