import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { apiRig } from '../../server/api/api-rig.ts'

const run = promisify(execFile)
const MAIN = join(import.meta.dirname, '../../../tools/release/main.ts')

test('keys are made and signed, a release is signed, published and rolled out, by the program alone', async (t) => {
  t.timeout(60_000)
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-release-tool-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await using rig = await apiRig({ releaseFolder: join(folder, 'files') })
  const release = async (...args: string[]) => {
    const env = { ...process.env, LANECAST_TOKEN: rig.adminToken }
    const { stdout } = await run(process.execPath, [MAIN, ...args], { cwd: folder, env })
    return stdout.trim()
  }
  const keys = [await release('new-key', 'alice.pem'), await release('new-key', 'bob.pem')]
  t.is((await stat(join(folder, 'alice.pem'))).mode & 0o777, 0o600)
  await t.throwsAsync(release('new-key', 'alice.pem'), { message: /EEXIST/ })
  await release(
    'sign-keys',
    ...keys,
    '--serial',
    '1',
    ...['--with', 'alice.pem', '--with', 'bob.pem', '--out', 'keys.json'],
  )
  await release('put-keys', 'keys.json', '--hub', rig.url)
  t.deepEqual(rig.releases.keys, { serial: 1, keys })

  const tarballs = ['lanecast-agent_1.1.0_amd64.tar.zst', 'lanecast-agent_1.1.0_arm64.tar.zst']
  for (const [at, name] of tarballs.entries())
    await writeFile(join(folder, name), Buffer.alloc(1_300_000 + at, name))
  await release('sign', ...tarballs, '--with', 'bob.pem', '--notes', 'better', '--out', 'release.json')
  await release('publish', 'release.json', ...tarballs, '--hub', rig.url)
  await release('roll-out', '1.1.0', '--percent', '25', '--tenant', 'acme', '--hub', rig.url)
  const { json } = await rig.ask('GET', '/v1/releases/1.1.0')
  t.like(json, {
    release: { version: '1.1.0', notes: 'better' },
    rollout: { percent: 25, tenants: ['acme'] },
  })
  t.deepEqual(
    json.release.files.map(({ bytes, present }: { bytes: number; present: number }) => bytes - present),
    [0, 0],
  )
  // Again, it uploads nothing and changes nothing.
  t.regex(await release('publish', 'release.json', ...tarballs, '--hub', rig.url), /1\.1\.0 is there/)

  const other = 'lanecast-agent_1.2.0_arm64.tar.zst'
  await writeFile(join(folder, other), 'x')
  const mixed = release('sign', tarballs[0]!, other, '--with', 'bob.pem', '--out', 'no.json')
  await t.throwsAsync(mixed, { message: /tarballs of one version/ })
  await release('new-key', 'mallory.pem')
  await release('sign', other, '--with', 'mallory.pem', '--out', 'foreign.json')
  await t.throwsAsync(release('publish', 'foreign.json', other, '--hub', rig.url), {
    message: /release_untrusted/,
  })
})
