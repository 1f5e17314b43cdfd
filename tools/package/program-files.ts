import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join, normalize, relative, resolve } from 'node:path'

/** Files that others name, and the packages that they import. */
export interface ProgramFiles {
  /** Paths below the root, sorted. */
  readonly files: readonly string[]
  /** As the imports name them, sorted: `zod`, `ws`. */
  readonly packages: readonly string[]
}

/** Any text that may name a file of ours: an import, the entry of a child process, a file that is read. */
const NAMED_FILE = /(['"`])((?:\.{1,2}\/)*[\w./-]+\.(?:ts|json|sh|txt))\1/g
const IMPORTED = /\b(?:from|import)\s*\(?\s*(['"])([@\w][^'"]*)\1/g

/**
 * All that a program needs of our own files, from its entry on. Types are stripped first: a file that gives only types is
 * not needed when the program runs.
 * @param root of the repository
 */
export async function programFiles(root: string, entry: string): Promise<ProgramFiles> {
  const files = new Set<string>()
  const packages = new Set<string>()
  const waiting = [normalize(entry)]
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file)) continue
    files.add(file)
    if (!file.endsWith('.ts')) continue
    const code = stripTypeScriptTypes(await readFile(join(root, file), 'utf8'))
    for (const [, , name = ''] of code.matchAll(NAMED_FILE)) {
      const path = relative(root, resolve(root, dirname(file), name))
      if (!path.startsWith('..') && existsSync(join(root, path))) waiting.push(path)
    }
    for (const [, , name = ''] of code.matchAll(IMPORTED)) if (!name.startsWith('node:')) packages.add(name)
  }
  return { files: [...files].sort(), packages: [...packages].sort() }
}
