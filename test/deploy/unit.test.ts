import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { ROOT, textOf } from './deploy-files.ts'

const run = promisify(execFile)

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

/** Units of the hub and of the field sender, and where their programs are on a machine and here; the most that systemd may find exposed, of 10. */
const UNITS = [
  { unit: 'lanecast.service', folder: 'deploy', installed: '/opt/lanecast', here: ROOT, exposed: 2.5 },
  {
    unit: 'lanecast-agent.service',
    folder: 'deploy/agent',
    installed: '/usr/lib/lanecast-agent/',
    here: `${ROOT}/deploy/agent/`,
    exposed: 2.5,
  },
]

for (const { unit, folder, installed, here, exposed } of UNITS) {
  test(`systemd understands every line of ${unit}`, async (t) => {
    const temporary = await mkdtemp(join(tmpdir(), 'lanecast-unit-'))
    t.teardown(() => rm(temporary, { recursive: true, force: true }))
    const file = join(temporary, unit)
    // systemd looks whether the program is there.
    await writeFile(file, textOf(`${folder}/${unit}`).replaceAll(installed, here))
    const verified = await said('systemd-analyze', ['verify', '--man=no', file])
    if (verified === null) return t.log('there is no systemd-analyze')
    const about = verified.split('\n').filter((line) => line.includes(unit))
    t.deepEqual(about, [], verified)
  })

  test(`${unit} lets its program do little more than it needs`, async (t) => {
    const judged = await said('systemd-analyze', ['security', '--offline=true', join(ROOT, folder, unit)])
    if (judged === null) return t.log('there is no systemd-analyze')
    const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(judged)?.[1])
    t.true(exposure <= exposed, judged)
  })
}
