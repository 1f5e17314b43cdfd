import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { flatbuffersSchemas, ninjaFile, workerBinaryName, workerSources } from './ninja-file.ts'
import { buildOpensslSrtp, type SrtpLibrary } from './openssl-srtp.ts'

/**
 * Builds the mediasoup worker from the package's own source against the distribution's libraries:
 * `node build-worker.ts <mediasoup package folder> <where the binary goes>`. The binary appears under its name only
 * when it is whole. Ninja's `[done/all]` lines go to stdout.
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

const [packageFolder, target] = process.argv.slice(2)
if (packageFolder === undefined || target === undefined) {
  throw new Error('usage: build-worker.ts <mediasoup package folder> <where the binary goes>')
}
await build(resolve(packageFolder), resolve(target))

async function build(mediasoup: string, binary: string): Promise<void> {
  const out = `${dirname(binary)}/build`
  await rm(out, { recursive: true, force: true })
  await mkdir(out, { recursive: true })
  say('getting libsrtp2 with OpenSSL')
  const srtp = await srtpLibrary(join(out, 'srtp'))
  say(`SRTP library: ${srtp.name}`)
  const source = join(mediasoup, 'worker')
  const text = (file: string) => readFile(join(source, file), 'utf8')
  const sources = workerSources(await text('meson.build'), await text('deps/libwebrtc/meson.build'))
  const schemas = flatbuffersSchemas(await text('fbs/meson.build'))
  await writeFile(
    join(out, 'build.ninja'),
    ninjaFile(
      {
        source,
        shims: join(import.meta.dirname, 'shims'),
        out,
        compiler: process.env.CXX ?? 'c++',
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
      sources,
      schemas,
    ),
  )
  await ninja(out)
  await run('strip', [join(out, workerBinaryName)])
  await copyFile(join(out, workerBinaryName), `${binary}.partial`)
  await writeFile(`${binary}.txt`, `${srtp.name}\n`)
  await rename(`${binary}.partial`, binary)
  await rm(out, { recursive: true, force: true })
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
