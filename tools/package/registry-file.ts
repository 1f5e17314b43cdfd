import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Longest wait for the registry, ms. */
const FETCH_MS = 300_000

export interface RegistryPackage {
  readonly name: string
  readonly version: string
  /** As in package-lock.json: `sha512-…`. Left out where the caller knows what must be inside. */
  readonly integrity?: string
}

/**
 * Fetches one version of a package by npm, without its install scripts, and unpacks it into a folder that lasts as long
 * as `use` works.
 * @throws Error where npm can't have it, or where it is another one
 */
export async function withPackage<T>(
  { name, version, integrity }: RegistryPackage,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-package-'))
  try {
    const options = { cwd: folder, env: { ...process.env, PATH: systemPath() }, timeout: FETCH_MS }
    const { stdout } = await run('npm', ['pack', '--silent', `${name}@${version}`], options)
    const file = stdout.trim()
    if (integrity !== undefined && integrity !== (await integrityOf(join(folder, file))))
      throw new Error(`the registry's ${name} ${version} is not that of package-lock.json`)
    await run('tar', ['--extract', '--file', file, '--strip-components=1'], { cwd: folder })
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function integrityOf(file: string): Promise<string> {
  return `sha512-${createHash('sha512')
    .update(await readFile(file))
    .digest('base64')}`
}

/** npm scripts put our own Node first, and Debian's npm works with Debian's Node only. */
function systemPath(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.filter((folder) => !folder.endsWith('node_modules/.bin')).join(delimiter)
}
