import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { debianVersion, type Release } from './program-tree.ts'

const run = promisify(execFile)
const DEPLOYED = join(import.meta.dirname, '../../deploy/agent')

/** What the agent needs of the system. Names of librist differ between releases of Debian and Ubuntu. */
const DEPENDS = [
  'libc6 (>= 2.28)',
  'libstdc++6',
  'librist4 | librist4t64',
  'gstreamer1.0-plugins-base',
  'gstreamer1.0-plugins-good',
  'gstreamer1.0-plugins-bad',
  'iproute2',
  'util-linux',
  'passwd',
]
/** x264, formats of cameras, sound cards, modems, and the right to restart the machine. Boards with a hardware encoder do without x264. */
const RECOMMENDS = [
  ...['gstreamer1.0-plugins-ugly', 'gstreamer1.0-libav', 'gstreamer1.0-alsa', 'modemmanager'],
  ...['polkitd | policykit-1', 'dbus'],
]
const SUGGESTS = ['gpsd', 'linuxptp', 'ethtool']

/**
 * Makes a `.deb` of an assembled program.
 * @param program folder by `putProgram`
 * @param work an empty folder for the package's tree
 * @param level of xz, 0 to 9
 */
export async function makeDebianPackage(
  release: Release,
  { program, work, file, level }: { program: string; work: string; file: string; level: number },
): Promise<void> {
  const inside = (path: string) => join(work, path)
  await mkdir(inside('usr/lib/systemd/system'), { recursive: true })
  await cp(program, inside('usr/lib/lanecast-agent'), { recursive: true, mode: 0 })
  await mkdir(inside('usr/lib/sysusers.d'), { recursive: true })
  await mkdir(inside('usr/bin'), { recursive: true })
  await symlink('../lib/lanecast-agent/lanecast-agent', inside('usr/bin/lanecast-agent'))
  const system = inside('usr/lib/lanecast-agent/system')
  await cp(join(system, 'lanecast-agent.service'), inside('usr/lib/systemd/system/lanecast-agent.service'))
  await cp(join(system, 'lanecast-agent.sysusers'), inside('usr/lib/sysusers.d/lanecast-agent.conf'))
  await mkdir(inside('usr/share/polkit-1/rules.d'), { recursive: true })
  await cp(
    join(system, '50-lanecast-agent.rules'),
    inside('usr/share/polkit-1/rules.d/50-lanecast-agent.rules'),
  )
  const doc = inside('usr/share/doc/lanecast-agent')
  await mkdir(doc, { recursive: true })
  const docs = inside('usr/lib/lanecast-agent/docs')
  for (const name of await readdir(docs)) await rename(join(docs, name), join(doc, name))
  await rm(docs, { recursive: true })
  await writeFile(join(doc, 'copyright'), COPYRIGHT)
  await mkdir(inside('DEBIAN'))
  for (const script of ['postinst', 'prerm', 'postrm']) {
    const from = script === 'postinst' ? join(system, script) : join(DEPLOYED, script)
    await cp(from, inside(`DEBIAN/${script}`))
    await chmod(inside(`DEBIAN/${script}`), 0o755)
  }
  // dpkg has scripts of its own: those of the tarball are not needed.
  await rm(system, { recursive: true })
  await writeFile(inside('DEBIAN/control'), control(release, await kibibytesIn(work)))
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(release.madeAt) }
  await run('dpkg-deb', ['--root-owner-group', '-Zxz', `-z${level}`, '--build', work, file], { env })
}

function control({ version, architecture }: Release, kibibytes: number): string {
  return [
    'Package: lanecast-agent',
    `Version: ${debianVersion(version)}`,
    `Architecture: ${architecture}`,
    'Maintainer: Lanecast <maintainers@lanecast.invalid>',
    'Section: video',
    'Priority: optional',
    `Installed-Size: ${kibibytes}`,
    `Depends: ${DEPENDS.join(', ')}`,
    `Recommends: ${RECOMMENDS.join(', ')}`,
    `Suggests: ${SUGGESTS.join(', ')}`,
    'Description: field sender of Lanecast',
    ' Encodes what cameras and microphones deliver, and sends it over several uplinks at',
    ' once, bonded and encrypted, to a Lanecast hub, by which it is configured.',
    '',
  ].join('\n')
}

const COPYRIGHT = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Lanecast

Files: *
License: MIT or Apache-2.0
Comment: The texts are in /usr/lib/lanecast-agent: LICENSE-MIT and LICENSE-APACHE. Those of Node and of
 the packages inside are in /usr/lib/lanecast-agent/licenses.
`

async function kibibytesIn(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  return Math.ceil(bytes / 1024)
}

/** Debian's name of the package's file. */
export function debianFileName({ version, architecture }: Release): string {
  return `lanecast-agent_${debianVersion(version)}_${architecture}.deb`
}
