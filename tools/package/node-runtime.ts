import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, copyFile, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Architecture, NODE_ARCH, OWN_ARCHITECTURE } from './architectures.ts'
import pinned from './node-runtime.json' with { type: 'json' }
import { withPackage } from './registry-file.ts'

const REPOSITORY = join(import.meta.dirname, '../..')

/**
 * Puts the pinned Node of a machine at `file`. It comes from node_modules, a cache or the registry, and is the same to the
 * bit wherever it comes from.
 * @throws Error where what came is not the pinned one
 */
export async function putNodeRuntime(architecture: Architecture, file: string): Promise<void> {
  const cached = join(REPOSITORY, `.cache/package/node-${pinned.version}-${architecture}`)
  const own = join(REPOSITORY, 'node_modules/node/bin/node')
  const present = architecture === OWN_ARCHITECTURE ? [own, cached] : [cached]
  for (const source of present) if (await isPinned(source, architecture)) return copyProgram(source, file)
  await withPackage(
    { name: `node-linux-${NODE_ARCH[architecture]}`, version: pinned.version },
    async (folder) => {
      const fetched = join(folder, 'bin/node')
      if (!(await isPinned(fetched, architecture)))
        throw new Error(`the registry's Node ${pinned.version} for ${architecture} is not the pinned one`)
      await mkdir(join(REPOSITORY, '.cache/package'), { recursive: true })
      await copyProgram(fetched, `${cached}.${process.pid}`)
      await rename(`${cached}.${process.pid}`, cached)
    },
  )
  await copyProgram(cached, file)
}

async function isPinned(file: string, architecture: Architecture): Promise<boolean> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(file), hash)
  } catch {
    return false
  }
  return hash.digest('hex') === pinned.sha256[architecture]
}

async function copyProgram(source: string, file: string): Promise<void> {
  await rm(file, { force: true })
  await copyFile(source, file)
  await chmod(file, 0o755)
}
