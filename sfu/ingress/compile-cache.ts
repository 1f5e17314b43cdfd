import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'

const FOLDER = resolve(import.meta.dirname, '../../.cache/compile')

/**
 * Has Node keep what it makes of an ingress process's source. Without it every such process loads Node's type
 * stripper, a WebAssembly program that is used for a quarter of a second and keeps 26 MB for good.
 */
export const compileCacheEnv = { NODE_COMPILE_CACHE: FOLDER } as const

let filled: Promise<void> | undefined

/**
 * Fills the cache by one process that loads `entry` and ends, so that the first stream's process is as small as
 * all others. Once per hub, 0.1 s when nothing changed. Where it cannot be kept, things work without it.
 */
export function fillCompileCache(entry: string): Promise<void> {
  filled ??= fill(entry)
  return filled
}

async function fill(entry: string): Promise<void> {
  const child = spawn(process.execPath, [entry], {
    stdio: 'ignore',
    env: { ...process.env, ...compileCacheEnv },
  })
  await once(child, 'exit').catch(() => {})
}
