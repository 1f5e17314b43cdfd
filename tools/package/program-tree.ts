import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { putPackages } from './agent-packages.ts'
import type { Architecture } from './architectures.ts'
import runtime from './node-runtime.json' with { type: 'json' }
import { putNodeRuntime } from './node-runtime.ts'
import { programFiles } from './program-files.ts'

const REPOSITORY = join(import.meta.dirname, '../..')
const ENTRY = 'agent/main.ts'
const DEPLOYED = join(REPOSITORY, 'deploy/agent')
/** Files of the system around the program, in the folder `system` of the program. */
const SYSTEM = [
  ...['lanecast-agent.service', 'lanecast-agent.sysusers', '50-lanecast-agent.rules'],
  ...['install', 'postinst'],
]
const LICENSES = ['LICENSE', 'LICENSE-APACHE', 'LICENSE-MIT']
/** Docs on the device. */
const DOCS = ['docs/field.md']

export interface Release {
  /** As in package.json: `1.2.3` or `1.2.3-rc.1`. */
  readonly version: string
  readonly architecture: Architecture
  /** Unix time of everything in it, s. The same source gives the same bytes. */
  readonly madeAt: number
}

/**
 * Puts an installed agent together: the pinned Node, our files that the agent uses, what these import, the launcher.
 * @param folder is emptied first
 */
export async function putProgram({ version, architecture, madeAt }: Release, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  for (const inside of ['system', 'docs']) await mkdir(join(folder, inside), { recursive: true })
  await putNodeRuntime(architecture, join(folder, 'node'))
  const { files, packages } = await programFiles(REPOSITORY, ENTRY)
  for (const file of files) await copy(join(REPOSITORY, file), join(folder, file))
  await putPackages(REPOSITORY, packages, architecture, join(folder, 'node_modules'))
  await copy(join(REPOSITORY, 'tools/package/node-license.txt'), join(folder, 'licenses/node.txt'))
  for (const file of LICENSES) await copy(join(REPOSITORY, file), join(folder, file))
  for (const file of DOCS.filter((name) => existsSync(join(REPOSITORY, name))))
    await copy(join(REPOSITORY, file), join(folder, file))
  for (const file of SYSTEM) await copy(join(DEPLOYED, file), join(folder, 'system', file))
  await copy(join(DEPLOYED, 'lanecast-agent'), join(folder, 'lanecast-agent'))
  await fillVersion(join(folder, 'system/postinst'), version)
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }\n')
  const release = { version, architecture, node: runtime.version, made_at: madeAt }
  await writeFile(join(folder, 'release.json'), `${JSON.stringify(release)}\n`)
}

async function copy(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  await cp(from, to)
}

/** The version as Debian has it, in place of the word VERSION of a script. */
export async function fillVersion(script: string, version: string): Promise<void> {
  const text = await readFile(script, 'utf8')
  await writeFile(script, text.replace(/ VERSION \]/, ` '${debianVersion(version)}' ]`))
  await chmod(script, 0o755)
}

/** A pre-release comes before its release: Debian marks that by a tilde. */
export function debianVersion(version: string): string {
  return version.replace('-', '~')
}
