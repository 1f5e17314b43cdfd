import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import test from 'ava'

const root = resolve(import.meta.dirname, '..')

/** Which rooms each room may import from (docs/architecture.md). `signaling/client` is a room of its own: it runs in browsers.
 * A lane knows none of the inputs that feed it. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  'common/wire': [],
  common: ['common/wire'],
  policy: ['common', 'common/wire'],
  'sfu/lane': ['common', 'common/wire', 'sfu'],
  'sfu/ingress': ['common', 'common/wire', 'sfu', 'sfu/lane'],
  'sfu/relay': ['common', 'common/wire', 'sfu', 'sfu/lane'],
  sfu: ['common', 'common/wire', 'policy', 'sfu/lane', 'sfu/ingress', 'sfu/relay'],
  'signaling/client': ['common/wire'],
  signaling: ['common', 'common/wire', 'policy', 'sfu'],
  turn: ['common', 'common/wire'],
  agent: ['common', 'common/wire'],
  server: ['common', 'common/wire', 'policy', 'sfu', 'sfu/ingress', 'signaling', 'turn'],
  web: ['common/wire', 'signaling/client'],
}

const roomOf = (path: string): string => {
  const [first = '', second = ''] = path.split('/')
  const nested = `${first}/${second}`
  return nested in MAY_IMPORT ? nested : first
}

const files = Object.keys(MAY_IMPORT)
  .filter((room) => !room.includes('/') && existsSync(join(root, room)))
  .flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).map((file) => join(room, file)),
  )
  .filter((file) => /\.tsx?$/.test(file) && !/(^|\/)(node_modules|dist)\//.test(file))

/** The files of the house that a file imports, types included. */
const importsOf = (file: string): string[] =>
  Array.from(
    readFileSync(join(root, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g),
    ([, specifier = '']) => relative(root, resolve(root, dirname(file), specifier)),
  )

test('imports go one way', (t) => {
  t.true(files.length > 0)
  const wrong: string[] = []
  for (const file of files) {
    for (const target of importsOf(file)) {
      const [from, to] = [roomOf(file), roomOf(target)]
      if (from !== to && !MAY_IMPORT[from]?.includes(to)) wrong.push(`${file} imports ${target}`)
      // The pages are built on what everybody else's pages may use, too.
      if (from === 'web' && to === 'signaling/client' && !target.endsWith('/index.ts'))
        wrong.push(`${file} imports ${target}, which is not the SDK's index`)
    }
  }
  t.deepEqual(wrong, [])
})

test('no files import each other in a circle, types included', (t) => {
  const circles: string[] = []
  const done = new Set<string>()
  const follow = (file: string, way: readonly string[]): void => {
    const from = way.indexOf(file)
    if (from !== -1) circles.push([...way.slice(from), file].join(' -> '))
    if (from !== -1 || done.has(file)) return
    for (const target of importsOf(file)) if (files.includes(target)) follow(target, [...way, file])
    done.add(file)
  }
  for (const file of files) follow(file, [])
  t.deepEqual(circles, [])
})

test('no file grows past 400 lines', (t) => {
  const long = files
    .map((file) => ({ file, lines: readFileSync(join(root, file), 'utf8').split('\n').length }))
    .filter(({ lines }) => lines > 400)
  t.deepEqual(long, [])
})

test('processes are started in one room', (t) => {
  const elsewhere = files.filter(
    (file) =>
      !file.startsWith('common/supervision/') &&
      /(?<!import type [^\n]*)['"](node:)?child_process['"]/.test(readFileSync(join(root, file), 'utf8')),
  )
  // It listens to Node's own news of processes that mediasoup starts.
  t.deepEqual(elsewhere, ['sfu/media-worker.ts'])
})
