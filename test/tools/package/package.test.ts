import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { type Architecture, OWN_ARCHITECTURE } from '../../../tools/package/architectures.ts'
import runtime from '../../../tools/package/node-runtime.json' with { type: 'json' }
import { openCleanRoot } from '../../support/clean-root.ts'

const run = promisify(execFile)
const REPOSITORY = join(import.meta.dirname, '../../..')
const VERSION = '7.8.9-rc.1'
const MOST_BYTES = 60e6
/** ELF's e_machine. */
const MACHINE: Record<Architecture, number> = { amd64: 62, arm64: 183 }
const ARCHITECTURES = ['amd64', 'arm64'] as const
/** All that an installed program may have at its top. */
const TOP = ['LICENSE', 'LICENSE-APACHE', 'LICENSE-MIT', 'agent', 'common', 'lanecast-agent', 'licenses']
const TOP_TOO = ['node', 'node_modules', 'package.json', 'release.json']

let out = ''

test.before(async (t) => {
  t.timeout(180_000)
  out = await mkdtemp(join(tmpdir(), 'lanecast-packages-'))
  const main = join(REPOSITORY, 'tools/package/main.ts')
  await run(process.execPath, [main, '--fast', '--version', VERSION, '--out', out])
})
test.after.always(() => rm(out, { recursive: true, force: true }))

const debOf = (architecture: Architecture) =>
  join(out, `lanecast-agent_${VERSION.replace('-', '~')}_${architecture}.deb`)

/** Unpacks a Debian package into a folder of its own. */
async function unpacked(architecture: Architecture): Promise<string> {
  const folder = join(out, architecture)
  await mkdir(folder, { recursive: true })
  await run('dpkg-deb', ['--extract', debOf(architecture), folder])
  return folder
}

async function machineOf(file: string): Promise<number> {
  await using handle = await open(file)
  const { buffer } = await handle.read(Buffer.alloc(20), 0, 20, 0)
  return buffer.readUInt32BE(0) === 0x7f454c46 ? buffer.readUInt16LE(18) : -1
}

for (const architecture of ARCHITECTURES)
  test(`the package for ${architecture} has what the agent needs for that machine, and nothing more`, async (t) => {
    t.true((await stat(debOf(architecture))).size < MOST_BYTES)
    const root = await unpacked(architecture)
    const program = join(root, 'usr/lib/lanecast-agent')
    t.deepEqual((await readdir(program)).sort(), [...TOP, ...TOP_TOO].sort())
    const release = JSON.parse(await readFile(join(program, 'release.json'), 'utf8')) as object
    t.like(release, { version: VERSION, architecture, node: runtime.version })
    const files = await readdir(program, { recursive: true })
    const natives = files.filter((file) => file.endsWith('.node') || file === 'node')
    t.is(natives.length, 2, natives.join(' '))
    for (const file of natives) t.is(await machineOf(join(program, file)), MACHINE[architecture], file)
    const ours = files.filter((file) => file.endsWith('.ts'))
    t.true(ours.includes('agent/main.ts') && ours.includes('agent/encoder/encoder-main.ts'))
    t.deepEqual(
      ours.filter((file) => !/^(agent|common)\//.test(file)),
      [],
    )
    // Hubs and browsers have others.
    const packages = await readdir(join(program, 'node_modules'))
    for (const name of ['mediasoup', 'express', 'kysely', 'pg', 'typescript'])
      t.false(packages.includes(name), name)
    t.true((await stat(join(root, 'usr/bin/lanecast-agent'))).isFile() || architecture !== OWN_ARCHITECTURE)
  })

test('both packages have the same files of ours, and the Node of package-lock.json', async (t) => {
  const listed = async (architecture: Architecture) => {
    const { stdout } = await run('dpkg-deb', ['--contents', debOf(architecture)])
    const names = stdout.split('\n').map((line) => line.split(/\s+/)[5] ?? '')
    return names.filter((name) => !name.includes('@koromix'))
  }
  t.deepEqual(await listed('amd64'), await listed('arm64'))
  const lock = JSON.parse(await readFile(join(REPOSITORY, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string }>
  }
  t.is(lock.packages['node_modules/node']?.version, runtime.version)
})

test('the package installs, runs as a user of its own, and leaves nothing when it is purged', async (t) => {
  t.timeout(120_000)
  if (OWN_ARCHITECTURE === undefined) return t.log('the agent is not packaged for this machine')
  await using root = await openCleanRoot(out)
  const said = await root.sh(`
dpkg --install /given/lanecast-agent_*_${OWN_ARCHITECTURE}.deb >/dev/null
id -Gn lanecast-agent
stat --format '%U %a' /var/lib/lanecast-agent
readlink /etc/systemd/system/multi-user.target.wants/lanecast-agent.service
lanecast-agent help | head -n 1
stat --format %U /var/cache/lanecast-agent/* | sort -u
`)
  const [groups = '', state, unit, first, cache] = said.trim().split('\n')
  for (const group of ['video', 'audio', 'render']) t.true(groups.split(' ').includes(group), group)
  t.is(state, 'lanecast-agent 700')
  t.regex(unit ?? '', /systemd\/system\/lanecast-agent\.service$/)
  t.is(first, 'The field sender of Lanecast.')
  t.is(cache, 'lanecast-agent')
  const installed = await root.changed()
  t.true(installed.includes('usr/lib/lanecast-agent/node'))
  await root.sh('dpkg --purge lanecast-agent >/dev/null 2>&1')
  const left = (await root.changed()).filter((file) => !LEFT_BY_DPKG.test(file))
  t.deepEqual(left, [])
})

/** The list of packages, and users, whom Debian's packages never remove. */
const LEFT_BY_DPKG =
  /^(var\/lib\/dpkg|var\/log|etc\/(passwd|group|g?shadow|subuid|subgid)-?$|etc\/\.pwd\.lock$)/

test('the tarball runs where it was unpacked, and has the files of the Debian package', async (t) => {
  if (OWN_ARCHITECTURE === undefined) return t.log('the agent is not packaged for this machine')
  const tarball = join(out, `lanecast-agent_${VERSION}_${OWN_ARCHITECTURE}.tar.zst`)
  t.true((await stat(tarball)).size < MOST_BYTES)
  const folder = join(out, 'tarball')
  await mkdir(folder)
  await run('sh', ['-c', `"${process.execPath}" -e "${UNZSTD}" | tar -x -C "${folder}"`], {
    env: { ...process.env, FILE: tarball },
  })
  const program = join(folder, 'lanecast-agent')
  const { stdout } = await run(join(program, 'lanecast-agent'), ['help'], {
    env: { PATH: '/usr/bin:/bin', CACHE_DIRECTORY: join(out, 'cache'), STATE_DIRECTORY: join(out, 'state') },
  })
  t.true(stdout.startsWith('The field sender of Lanecast.'))
  const system = await readdir(join(program, 'system'))
  t.deepEqual(system.sort(), SYSTEM)
})

/** What the tarball's installer needs. */
const SYSTEM = [
  ...['50-lanecast-agent.rules', 'install', 'lanecast-agent.service', 'lanecast-agent.sysusers', 'postinst'],
]

/** tar needs the program zstd for this, which not every machine has. */
const UNZSTD =
  "require('fs').createReadStream(process.env.FILE).pipe(require('zlib').createZstdDecompress()).pipe(process.stdout)"
