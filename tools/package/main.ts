// Makes the packages of the field sender: `npm run package:agent`. See docs/operations.md, "Packages of the field sender".
import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ARCHITECTURES, type Architecture } from './architectures.ts'
import { debianFileName, makeDebianPackage } from './debian-package.ts'
import { putProgram, type Release } from './program-tree.ts'
import { makeTarball, tarballName } from './tarball.ts'

const REPOSITORY = join(import.meta.dirname, '../..')
const VERSION = /^\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?$/

const HELP = `Usage: npm run package:agent -- [--arch LIST] [--version X.Y.Z] [--out FOLDER] [--only deb|tarball] [--fast]

Makes a Debian package and a tarball of the field sender for each machine of LIST (${ARCHITECTURES.join(',')}).
--version: by default that of package.json. --out: by default dist/agent. --fast: packs badly, for tests.
`

const { values } = parseArgs({
  options: {
    arch: { type: 'string', default: ARCHITECTURES.join(',') },
    version: { type: 'string' },
    out: { type: 'string', default: join(REPOSITORY, 'dist/agent') },
    only: { type: 'string' },
    fast: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) process.stdout.write(HELP)
else await makePackages()

async function makePackages(): Promise<void> {
  const version = values.version ?? (await versionOfRepository())
  if (!VERSION.test(version)) throw new Error(`${version} is no version: X.Y.Z or X.Y.Z-rc.1 is one`)
  const out = resolve(values.out)
  await mkdir(out, { recursive: true })
  const wanted = values.arch.split(',')
  const unknown = wanted.filter((name) => !ARCHITECTURES.some((known) => known === name))
  if (unknown.length > 0) throw new Error(`no packages are made for ${unknown.join(', ')}`)
  for (const architecture of wanted as Architecture[]) {
    const work = await mkdtemp(join(tmpdir(), 'lanecast-package-'))
    try {
      await makeBoth({ version, architecture, madeAt: sourceTime() }, work, out)
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }
}

async function makeBoth(release: Release, work: string, out: string): Promise<void> {
  const program = join(work, 'lanecast-agent')
  await putProgram(release, program)
  if (values.only !== 'deb') {
    const file = join(out, tarballName(release))
    await makeTarball(release, { program, file, level: values.fast ? 1 : 19 })
    await tell(file)
  }
  if (values.only !== 'tarball') {
    const file = join(out, debianFileName(release))
    await makeDebianPackage(release, { program, work: join(work, 'deb'), file, level: values.fast ? 0 : 6 })
    await tell(file)
  }
}

async function tell(file: string): Promise<void> {
  process.stdout.write(`${file} ${((await stat(file)).size / 1e6).toFixed(1)} MB\n`)
}

async function versionOfRepository(): Promise<string> {
  const text = await readFile(join(REPOSITORY, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** As reproducible builds have it; else now, s. */
function sourceTime(): number {
  const given = Number(process.env['SOURCE_DATE_EPOCH'])
  return Number.isInteger(given) && given > 0 ? given : Math.floor(Date.now() / 1000)
}
