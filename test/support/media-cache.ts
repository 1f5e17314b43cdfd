import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * A file of the cache in the system's temporary folder, made if it is not there yet.
 * @param name of the file; another one for other contents
 * @param make writes the file to the path that it gets; the file has its name only once it is whole
 * @returns the file's path
 */
export async function cachedMedia(name: string, make: (path: string) => Promise<unknown>): Promise<string> {
  const folder = join(tmpdir(), 'lanecast-test-media')
  const path = join(folder, name)
  if (existsSync(path)) return path
  await mkdir(folder, { recursive: true })
  const partial = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}.part`
  try {
    await make(partial)
    await rename(partial, path)
  } finally {
    await rm(partial, { force: true })
  }
  return path
}
