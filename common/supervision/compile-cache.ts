import { resolve } from 'node:path'

/**
 * Makes Node keep the compiled source of a process. Without the cache every process of ours loads Node's type
 * stripper, a WebAssembly program that runs for a quarter of a second and keeps 26 MB for good.
 */
export const compileCacheEnv = {
  NODE_COMPILE_CACHE: resolve(import.meta.dirname, '../../.cache/compile'),
} as const
