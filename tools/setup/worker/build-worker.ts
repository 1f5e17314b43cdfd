import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import {
  flatbuffersSchemas,
  ninjaFile,
  unitText,
  workerBinaryName,
  workerSources,
  workerUnits,
} from './ninja-file.ts'
import { buildOpensslSrtp, type SrtpLibrary } from './openssl-srtp.ts'

/**
 * Builds the mediasoup worker from the package's own source against the distribution's libraries:
 * `node build-worker.ts <mediasoup package folder> <folder of objects> <where the binary goes>`. The binary appears
 * under its name only when it is whole. Ninja's `[done/all]` lines go to stdout.
 *
 * The folder of objects may hold those of an earlier build, of any clone: what has not changed since is not compiled
 * again. One build at a time may use it.
 */
const run = promisify(execFile)

const flags = [
  '-std=c++20',
  '-O2',
  '-DNDEBUG',
  '-DMS_EXECUTABLE',
  '-DMS_LITTLE_ENDIAN',
  '-DFLATBUFFERS_LOCALE_INDEPENDENT=1',
  '-w',
]

/** pkg-config modules: what the shims and libwebrtc include */
const abseil = ['absl_flat_hash_map', 'absl_flat_hash_set', 'absl_hash', 'absl_strings', 'absl_optional']

const [packageFolder, objects, target] = process.argv.slice(2)
if (packageFolder === undefined || objects === undefined || target === undefined) {
  throw new Error(
    'usage: build-worker.ts <mediasoup package folder> <folder of objects> <where the binary goes>',
  )
}
await build(resolve(packageFolder), resolve(objects), resolve(target))

async function build(mediasoup: string, out: string, binary: string): Promise<void> {
  await mkdir(out, { recursive: true })
  say('getting libsrtp2 with OpenSSL')
  const srtp = await srtpLibrary(join(out, 'srtp'))
  say(`SRTP library: ${srtp.name}`)
  const source = join(out, 'source')
  const text = (file: string) => readFile(join(source, file), 'utf8')
  const worker = join(mediasoup, 'worker')
  for (const folder of ['src', 'include', 'fbs', 'deps/libwebrtc']) {
    await mirror(join(worker, folder), join(source, folder))
  }
  await mirror(join(import.meta.dirname, 'shims'), join(out, 'shims'))
  await put(join(source, 'meson.build'), await readFile(join(worker, 'meson.build')))
  const sources = workerSources(await text('meson.build'), await text('deps/libwebrtc/meson.build'))
  const schemas = flatbuffersSchemas(await text('fbs/meson.build'))
  const units = workerUnits(sources, (file) => statSync(join(source, file)).size)
  for (const unit of units) await put(join(out, 'units', `${unit.name}.cpp`), Buffer.from(unitText(unit)))
  const cached = await onPath('ccache')
  await writeFile(
    join(out, 'build.ninja'),
    ninjaFile(
      {
        compiler: process.env.CXX ?? (cached ? 'ccache c++' : 'c++'),
        cCompiler: process.env.CC ?? (cached ? 'ccache cc' : 'cc'),
        flags,
        cflags: [...srtp.cflags, ...(await pkgConfig('--cflags', ['libuv', 'openssl', ...abseil]))],
        libs: [
          ...srtp.libs,
          ...(await staticWherePossible(await pkgConfig('--libs', abseil))),
          ...(await staticWherePossible(['-luv'])),
          ...(await pkgConfig('--libs', ['openssl'])),
          '-lpthread',
          '-ldl',
        ],
      },
      units,
      schemas,
    ),
  )
  await ninja(out)
  await run('strip', ['-o', `${binary}.partial`, join(out, workerBinaryName)])
  await writeFile(`${binary}.txt`, `${srtp.name}\n`)
  await rename(`${binary}.partial`, binary)
}

/** Makes `to` hold the files of `from`. A file that is the same already stays untouched: Ninja goes by its age. */
async function mirror(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  const entries = await readdir(from, { withFileTypes: true })
  const names = new Set(entries.map((entry) => entry.name))
  for (const gone of await readdir(to)) {
    if (!names.has(gone)) await rm(join(to, gone), { recursive: true })
  }
  for (const entry of entries) {
    const [original, copy] = [join(from, entry.name), join(to, entry.name)]
    await (entry.isDirectory() ? mirror(original, copy) : put(copy, await readFile(original)))
  }
}

async function put(file: string, content: Buffer): Promise<void> {
  const old = await readFile(file).catch(() => undefined)
  if (old?.equals(content)) return
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, content)
}

async function srtpLibrary(folder: string): Promise<SrtpLibrary> {
  try {
    return await buildOpensslSrtp(folder)
  } catch (error) {
    say(`libsrtp2 could not be built with OpenSSL: ${error instanceof Error ? error.message : String(error)}`)
    return {
      name: "the distribution's libsrtp2 (NSS: SRTP costs 1.3 to 2.6 times the CPU)",
      cflags: [],
      libs: ['-lsrtp2'],
    }
  }
}

async function onPath(program: string): Promise<boolean> {
  return run('which', [program]).then(
    () => true,
    () => false,
  )
}

async function pkgConfig(what: '--cflags' | '--libs', modules: readonly string[]): Promise<string[]> {
  const { stdout } = await run('pkg-config', [what, ...modules])
  return stdout.split(/\s+/).filter((word) => word !== '')
}

/**
 * Replaces `-lname` by the static archive where the system has one: the cached binary then still starts after the
 * build packages were removed or the cache was carried to another machine. OpenSSL stays shared: the system updates it.
 */
async function staticWherePossible(libs: readonly string[]): Promise<string[]> {
  const archives = await Promise.all(
    libs.map(async (lib) => {
      if (!lib.startsWith('-l')) return lib
      for (const name of [`lib${lib.slice(2)}.a`, `lib${lib.slice(2)}_a.a`]) {
        const { stdout } = await run('c++', [`-print-file-name=${name}`])
        if (stdout.trim() !== name) return stdout.trim()
      }
      return lib
    }),
  )
  return ['-Wl,--start-group', ...archives, '-Wl,--end-group']
}

async function ninja(folder: string): Promise<void> {
  const child = spawn('ninja', ['-C', folder], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, NINJA_STATUS: '[%f/%t] ' },
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`ninja ended with ${code}`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
