import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * Path of a program.
 * @param names it may have, the likeliest first
 * @param variable of the environment that names another
 * @throws when there is none
 */
export function programOnPath(names: readonly string[], variable: string): string {
  const named = process.env[variable]
  const candidates = named
    ? [named]
    : names.flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name)))
  const found = candidates.find(isExecutable)
  if (found === undefined) {
    throw new Error(
      named ? `${variable} is no program: ${named}` : `no ${names[0]} on the PATH; run npm run setup`,
    )
  }
  return found
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
