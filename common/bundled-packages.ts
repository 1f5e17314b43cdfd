import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import module from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const ROOT = join(import.meta.dirname, '..')

/**
 * What the hub and its children import on each start, as their imports name it. Left out are packages with native parts
 * and what only some hubs load.
 */
export const BUNDLED: readonly string[] = [
  '@peculiar/x509',
  'express',
  'helmet',
  'jose',
  'kysely',
  'mediasoup',
  'pino',
  'prom-client',
  'protoo-server',
  'protoo-server/lib/Message.js',
  'rate-limiter-flexible',
  'reflect-metadata',
  'sdp-transform',
  'smol-toml',
  'zod',
]

/** What a bundle is made of: the packages as npm installed them, and the rules. tools/setup/packages.sh reads the same. */
const MADE_OF = [
  'node_modules/.package-lock.json',
  'common/bundled-packages.ts',
  'tools/setup/packages/bundle-packages.ts',
]

/** The bundle's file for an import. */
export function bundledFile(specifier: string): string {
  return `${specifier.replaceAll(/[^\w.-]/g, '_')}.mjs`
}

/**
 * Folder of the bundle that belongs to the installed packages. Set-up makes it.
 * @param root of the repository
 * @throws where npm installed no packages
 */
export function bundleFolder(root = ROOT): string {
  const hash = createHash('sha256')
  for (const file of MADE_OF) hash.update(readFileSync(join(root, file)))
  return join(root, 'node_modules/.lanecast/packages', hash.digest('hex').slice(0, 16))
}

/**
 * From now on, imports of packages come from the bundle of set-up: a file a package, where the packages have 1,200. Without
 * a bundle of these packages nothing changes.
 * @returns whether there is one
 */
export function useBundledPackages(root = ROOT): boolean {
  const folder = presentBundle(root)
  if (folder === null) return false
  const urls = new Map(
    BUNDLED.map((specifier) => [specifier, pathToFileURL(join(folder, bundledFile(specifier))).href]),
  )
  const ours = pathToFileURL(`${root}/`).href
  module.registerHooks({
    resolve(specifier, context, next) {
      // Our own files are where their imports say. Node would look for each, for links, and for its package.json.
      if (specifier.startsWith('.') && specifier.endsWith('.ts') && context.parentURL?.startsWith(ours))
        return {
          url: new URL(specifier, context.parentURL).href,
          format: 'module-typescript',
          shortCircuit: true,
        }
      const url = urls.get(specifier)
      // `require` by a package that is not bundled gets what it would get anyway.
      if (url === undefined || !context.conditions.includes('import')) return next(specifier, context)
      return { url, format: 'module', shortCircuit: true }
    },
  })
  return true
}

function presentBundle(root: string): string | null {
  try {
    const folder = bundleFolder(root)
    return existsSync(folder) ? folder : null
  } catch {
    return null
  }
}
