import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type Architecture, NODE_ARCH } from './architectures.ts'
import { withPackage } from './registry-file.ts'

/** The one package with a native part, which is another file for each machine. */
export const KOFFI = 'koffi'

/** Its JavaScript; the rest of the package is the source of its native part. */
const PROGRAM = [
  'package.json',
  ...['index.cjs', 'index.js', 'indirect.cjs', 'indirect.js'].flatMap((file) => [file, `src/koffi/${file}`]),
  ...['static.cjs', 'static.js', 'trampolines.cjs'].map((file) => `src/koffi/src/${file}`),
]

/** Puts koffi into a `node_modules`, with its native part for glibc on a machine. */
export async function putKoffi(
  repository: string,
  architecture: Architecture,
  folder: string,
): Promise<void> {
  const source = join(repository, 'node_modules', KOFFI)
  for (const file of PROGRAM) await put(join(source, file), join(folder, KOFFI, file))
  const name = `@koromix/koffi-linux-${NODE_ARCH[architecture]}`
  const native = join(folder, name)
  const binary = `linux_${NODE_ARCH[architecture]}/koffi.node`
  const putNative = async (from: string, to: string) => {
    for (const file of ['package.json', 'index.js', binary]) await put(join(from, file), join(to, file))
  }
  const present = join(repository, 'node_modules', name)
  if (existsSync(present)) return putNative(present, native)
  const { version, integrity } = await locked(repository, name)
  const cached = join(repository, `.cache/package/${basename(name)}-${version}`)
  if (!existsSync(cached))
    await withPackage({ name, version, integrity }, async (fetched) => {
      const partial = `${cached}.${process.pid}`
      await putNative(fetched, partial)
      // Where another build was faster, its folder is the same.
      await rename(partial, cached).catch(() => rm(partial, { recursive: true }))
    })
  await putNative(cached, native)
}

async function locked(repository: string, name: string): Promise<{ version: string; integrity: string }> {
  const lock = JSON.parse(await readFile(join(repository, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string; integrity: string } | undefined>
  }
  const entry = lock.packages[`node_modules/${name}`]
  if (!entry) throw new Error(`package-lock.json does not have ${name}`)
  return entry
}

async function put(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  await cp(from, to)
}
