/** What one build of the worker is made of. All paths are absolute. */
export interface WorkerBuild {
  /** `node_modules/mediasoup/worker` */
  source: string
  /** the folder of our shims, see `shims/` */
  shims: string
  /** where objects, generated headers and the binary go */
  out: string
  compiler: string
  flags: readonly string[]
  /** include and library flags of Debian's libraries */
  cflags: readonly string[]
  libs: readonly string[]
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

/** The whole Ninja file. `sources` and `schemas` come from the two functions above. */
export function ninjaFile(
  build: WorkerBuild,
  sources: readonly string[],
  schemas: readonly string[],
): string {
  const headers = schemas.map((schema) => `FBS/${schema.replace(/\.fbs$/, '.h')}`)
  const includes = [
    `${build.shims}/include`,
    `${build.source}/include`,
    `${build.source}/deps/libwebrtc`,
    `${build.source}/deps/libwebrtc/libwebrtc`,
    build.out,
  ].map((folder) => `-I${shellQuote(folder)}`)
  const units = [
    ...sources.map((file) => ({ input: `${build.source}/${file}`, object: `obj/${file}.o` })),
    { input: `${build.shims}/ktls-off.cpp`, object: 'obj/ktls-off.o' },
  ]
  const schemaFiles = schemas.map((schema) => `${build.source}/fbs/${schema}`)
  return `${[
    'ninja_required_version = 1.8',
    `flags = ${ninjaValue([...includes, ...build.flags, ...build.cflags].join(' '))}`,
    'rule flatc',
    "  command = flatc --cpp --cpp-field-case-style lower --reflect-names --scoped-enums --filename-suffix '' -o FBS $in",
    '  description = generate FBS headers',
    'rule cxx',
    `  command = ${build.compiler} $flags -MMD -MF $out.d -c $in -o $out`,
    '  depfile = $out.d',
    '  deps = gcc',
    '  description = compile $out',
    'rule link',
    `  command = ${build.compiler} -Wl,--wrap=BIO_set_callback_ex -Wl,--as-needed -o $out @$out.rsp ${ninjaValue(build.libs.join(' '))}`,
    '  rspfile = $out.rsp',
    '  rspfile_content = $in',
    '  description = link $out',
    `build ${headers.join(' ')}: flatc ${schemaFiles.map(ninjaPath).join(' ')}`,
    `build headers: phony ${headers.join(' ')}`,
    ...units.map((unit) => `build ${unit.object}: cxx ${ninjaPath(unit.input)} || headers`),
    `build ${workerBinaryName}: link ${units.map((unit) => unit.object).join(' ')}`,
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

/** Ninja splits build lines at spaces and colons. */
function ninjaPath(path: string): string {
  return path.replace(/[$ :]/g, (character) => `$${character}`)
}

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
