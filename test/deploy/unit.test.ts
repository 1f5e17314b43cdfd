import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { ROOT, textOf } from './deploy-files.ts'

const run = promisify(execFile)

/** systemd's "exposure": 0 is nothing, 10 is all. */
const MOST_EXPOSED = 2.5

/** What a program says, on either output; null where there is none of it here. */
async function said(program: string, args: readonly string[]): Promise<string | null> {
  try {
    const { stdout, stderr } = await run(program, [...args])
    return stdout + stderr
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string }
    return code === 'ENOENT' ? null : `${stdout}${stderr}\nstatus ${String(code)}`
  }
}

test('systemd understands every line of the unit', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-unit-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'lanecast.service')
  // systemd looks whether the program is there.
  await writeFile(file, textOf('deploy/lanecast.service').replaceAll('/opt/lanecast', ROOT))
  const verified = await said('systemd-analyze', ['verify', '--man=no', file])
  if (verified === null) return t.log('there is no systemd-analyze')
  const about = verified.split('\n').filter((line) => line.includes('lanecast.service'))
  t.deepEqual(about, [], verified)
})

test('the unit lets the hub do little more than it needs', async (t) => {
  const judged = await said('systemd-analyze', [
    'security',
    '--offline=true',
    join(ROOT, 'deploy/lanecast.service'),
  ])
  if (judged === null) return t.log('there is no systemd-analyze')
  const exposure = Number(/Overall exposure level for lanecast\.service: ([\d.]+)/.exec(judged)?.[1])
  t.true(exposure <= MOST_EXPOSED, judged)
})
