import { posix } from 'node:path'

/** What one build of the worker is made of. Its folder holds `source` (mediasoup's worker) and `shims`, see below. */
export interface WorkerBuild {
  /** the command that compiles C++, and links */
  compiler: string
  /** the command that compiles C */
  cCompiler: string
  flags: readonly string[]
  /** include and library flags of Debian's libraries */
  cflags: readonly string[]
  libs: readonly string[]
}

/** One translation unit: a name without a suffix, and the sources in it, relative to the worker's folder. */
export interface WorkerUnit {
  name: string
  sources: readonly string[]
}

/** Name of the linked binary in `out`. */
export const workerBinaryName = 'mediasoup-worker'

/**
 * The worker's sources, relative to its folder, as its own `meson.build` files list them. Both `common_sources`
 * blocks are taken: the second one is the libwebrtc bandwidth estimation, which we always build, because with the
 * built-in one a browser publisher's rate collapses.
 */
export function workerSources(mesonBuild: string, libwebrtcMesonBuild: string): string[] {
  const common = sourceLists(mesonBuild, 'common_sources')
  const libwebrtc = sourceLists(libwebrtcMesonBuild, 'libwebrtc_sources')
  if (common.length === 0 || libwebrtc.length === 0) {
    throw new Error(
      'the worker lists its sources in another way than expected: this mediasoup version is too new',
    )
  }
  return [...common, 'src/main.cpp', ...libwebrtc.map((file) => `deps/libwebrtc/${file}`)]
}

/** The schemas that `flatc` turns into headers, relative to the worker's `fbs` folder. */
export function flatbuffersSchemas(fbsMesonBuild: string): string[] {
  const schemas = sourceLists(fbsMesonBuild, 'flatbuffers_schemas')
  if (schemas.length === 0) throw new Error('no flatbuffers schemas found: this mediasoup version is too new')
  return schemas
}

/** Sources that clash with a neighbour of their folder in one unit: both give something of their own the same name. */
const alone = new Set([
  'src/DepLibWebRTC.cpp',
  'src/Settings.cpp',
  'src/handles/TcpServerHandle.cpp',
  'src/handles/UdpSocketHandle.cpp',
  'src/handles/UnixStreamSocketHandle.cpp',
  'src/RTC/SvcProducerStreamManager.cpp',
  'src/RTC/TransportCongestionControlClient.cpp',
  'src/RTC/WebRtcTransport.cpp',
  'src/RTC/BWE/LossBasedController.cpp',
  'src/RTC/BWE/TargetRateController.cpp',
  'src/RTC/RTCP/Feedback.cpp',
  'deps/libwebrtc/libwebrtc/modules/congestion_controller/goog_cc/trendline_estimator.cc',
])

/** Calls that go to the shims: of the worker to OpenSSL, and of libuv to the kernel. */
const WRAPPED = '-Wl,--wrap=BIO_set_callback_ex -Wl,--wrap=uv__sendmmsg'

/** Bytes of source in a unit. More makes fewer units, which busy many cores less well. */
const unitBytes = 90_000

/**
 * Puts neighbours of one folder together into units. Most of a source's compile time goes into headers that its
 * neighbours include as well: together they take a third of the time. `bytes` tells the length of a source.
 */
export function workerUnits(sources: readonly string[], bytes: (source: string) => number): WorkerUnit[] {
  const units: WorkerUnit[] = []
  for (const [folder, files] of Map.groupBy(sources, (source) => posix.dirname(source))) {
    const batches = files.filter((file) => alone.has(file)).map((file) => [file])
    let room = 0
    for (const file of files.filter((each) => !alone.has(each))) {
      if (bytes(file) > room) {
        batches.push([])
        room = unitBytes
      }
      batches.at(-1)!.push(file)
      room -= bytes(file)
    }
    const name = folder.replaceAll('/', '-')
    units.push(...batches.map((batch, index) => ({ name: `${name}-${index}`, sources: batch })))
  }
  return units
}

/** A unit's text. Each source must name itself for the log: it does not inherit the name of the one before it. */
export function unitText(unit: WorkerUnit): string {
  return unit.sources.map((source) => `#include "../source/${source}"\n#undef MS_CLASS\n`).join('')
}

/**
 * The whole Ninja file. All its paths start at the folder it is in, so that objects in that folder serve every clone:
 * `source`, `shims`, `units` with the text of each unit; Ninja makes `FBS`, `obj` and the binary. `units` and `schemas`
 * come from the functions above.
 */
export function ninjaFile(
  build: WorkerBuild,
  units: readonly WorkerUnit[],
  schemas: readonly string[],
): string {
  const headers = schemas.map((schema) => `FBS/${schema.replace(/\.fbs$/, '.h')}`)
  const includes = [
    '-Ishims/include',
    '-Isource/include',
    '-Isource/deps/libwebrtc',
    '-Isource/deps/libwebrtc/libwebrtc',
    '-I.',
  ]
  const compiled = [
    ...units.map(({ name }) => ({ input: `units/${name}.cpp`, object: `obj/${name}.o` })),
    { input: 'shims/ktls-off.cpp', object: 'obj/ktls-off.o' },
  ]
  const objects = [...compiled.map(({ object }) => object), 'obj/batched-sends.o']
  return `${[
    'ninja_required_version = 1.8',
    `flags = ${ninjaValue([...includes, ...build.flags, ...build.cflags].join(' '))}`,
    'rule flatc',
    "  command = flatc --cpp --cpp-field-case-style lower --reflect-names --scoped-enums --filename-suffix '' -o FBS $in",
    '  description = generate FBS headers',
    'rule cxx',
    // -MD: headers of the system count too, so that an update of theirs compiles again what includes them.
    `  command = ${build.compiler} $flags -MD -MF $out.d -c $in -o $out`,
    '  depfile = $out.d',
    '  deps = gcc',
    '  description = compile $out',
    'rule cc',
    `  command = ${build.cCompiler} -std=c11 -O2 -MD -MF $out.d -c $in -o $out`,
    '  depfile = $out.d',
    '  deps = gcc',
    '  description = compile $out',
    'rule link',
    `  command = ${build.compiler} ${WRAPPED} -Wl,--as-needed -o $out @$out.rsp ${ninjaValue(build.libs.join(' '))}`,
    '  rspfile = $out.rsp',
    '  rspfile_content = $in',
    '  description = link $out',
    `build ${headers.join(' ')}: flatc ${schemas.map((schema) => `source/fbs/${schema}`).join(' ')}`,
    `build headers: phony ${headers.join(' ')}`,
    ...compiled.map(({ input, object }) => `build ${object}: cxx ${input} || headers`),
    'build obj/batched-sends.o: cc shims/batched-sends.c',
    `build ${workerBinaryName}: link ${objects.join(' ')}`,
    `default ${workerBinaryName}`,
  ].join('\n')}\n`
}

function sourceLists(meson: string, variable: string): string[] {
  const blocks = meson.matchAll(new RegExp(`^\\s*${variable} \\+?= \\[([^\\]]*)\\]`, 'gm'))
  return [...blocks].flatMap((block) =>
    [...(block[1] ?? '').matchAll(/'([^']+)'/g)].map((match) => match[1]!),
  )
}

function ninjaValue(text: string): string {
  return text.replaceAll('$', '$$$$')
}
