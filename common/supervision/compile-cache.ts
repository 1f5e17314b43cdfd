import { resolve } from 'node:path'

const { NODE_COMPILE_CACHE, CACHE_DIRECTORY } = process.env

/**
 * Makes Node keep the compiled source of a process. Without the cache every process of ours loads Node's type
 * stripper, a WebAssembly program that runs for a quarter of a second and keeps 26 MB for good. An installed program may
 * not write beside its own files: its service manager names another folder.
 */
export const compileCacheEnv = {
  NODE_COMPILE_CACHE:
    NODE_COMPILE_CACHE ?? CACHE_DIRECTORY ?? resolve(import.meta.dirname, '../../.cache/compile'),
} as const
