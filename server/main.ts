import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { useBundledPackages } from '../common/bundled-packages.ts'
import { requireNode } from './require-node.ts'

requireNode()
// Keeps the compiled sources: compiling takes a third of the start, and the type stripper 26 MB.
enableCompileCache(join(import.meta.dirname, '../.cache/compile'))
useBundledPackages()
// Node finds the imports of a file before the file runs: what follows is found in the bundle.
await import('./program.ts')
