import { createHash } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Child, type OurProgram } from '../common/supervision/child.ts'
import { compileCacheEnv } from '../common/supervision/compile-cache.ts'

const ROOT = resolve(import.meta.dirname, '..')
const FOLDER = compileCacheEnv.NODE_COMPILE_CACHE
/** Records for which sources the cache is complete. */
const STAMP = join(FOLDER, 'ingress.stamp')
/** Where the TypeScript of these processes is. */
const SOURCES = ['sfu', 'common', 'policy']
/** Filling takes 0.3 s, more on a busy machine. Everything also works without the cache. */
const FILL_WITHIN_MS = 10_000
const STOP_WITHIN_MS = 2000

/** Packets are in buffers outside the heap. The young generation needs little room, but takes up to 48 MB by default. */
const NODE_FLAGS = ['--max-semi-space-size=1']

/** A process that only handles packets: an ingress or a relay. */
export function packetProcess(entry: string): OurProgram {
  return { entry, nodeFlags: NODE_FLAGS, env: compileCacheEnv }
}

let filled: Promise<void> | undefined

/**
 * Fills the cache if sources or Node changed since it was last filled. One process loads `entry`, says so and ends: 0.3
 * s, so that the first streams' processes are as small as all others. Where the cache can't be kept, everything works
 * without it.
 */
export function fillCompileCache(entry: string): Promise<void> {
  filled ??= fill(entry).catch(() => {})
  return filled
}

async function fill(entry: string): Promise<void> {
  const current = digest()
  if ((await readFile(STAMP, 'utf8').catch(() => '')) === current) return
  const loaded = Promise.withResolvers<void>()
  const child = new Child(
    { entry, env: compileCacheEnv },
    { heard: () => loaded.resolve(), broken: () => {} },
    STOP_WITHIN_MS,
  )
  const killer = setTimeout(() => child.kill(), FILL_WITHIN_MS)
  await Promise.race([loaded.promise, child.ended])
  clearTimeout(killer)
  // Node writes its cache when the process ends.
  await child.stop()
  if ((await child.ended) === 'exit code 0') await writeFile(STAMP, current)
}

/** The hub's start waits for this. One look after the other takes half the CPU time of promises. */
function digest(): string {
  const hash = createHash('sha256').update(process.version)
  for (const folder of SOURCES) {
    const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    const files = names.filter((name) => name.endsWith('.ts')).sort()
    const changed = files.map((name) => statSync(join(ROOT, folder, name)).mtimeMs)
    hash.update(JSON.stringify([files, changed]))
  }
  return hash.digest('hex')
}
