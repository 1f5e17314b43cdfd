import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { useBundledPackages } from '../common/bundled-packages.ts'

// An installed program may not write beside its own files: systemd gives it a folder.
enableCompileCache(process.env['CACHE_DIRECTORY'] ?? join(import.meta.dirname, '../.cache/compile'))
useBundledPackages()
// Node finds the imports of a file before the file runs: what follows is found in the bundle.
await import('./program.ts')
