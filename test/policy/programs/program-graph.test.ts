import test from 'ava'
import { compileGlob } from '../../../policy/glob.ts'
import { MAX_PROGRAM_DEPTH, type ProgramNode, programFault } from '../../../policy/programs/program-graph.ts'
import { Seeded } from '../seeded.ts'

const programs = (text: string): ProgramNode[] =>
  text.split('; ').map((each) => {
    const [id = '', inputs = ''] = each.split(': ')
    return { id, inputs: inputs.split(' ') }
  })

for (const [what, text, kind, way] of [
  ['streams alone', 'main: cam-1 cam-2', undefined, undefined],
  ['four in a row', 'a: b; b: c; c: d; d: cam', undefined, undefined],
  ['five in a row', 'a: b; b: c; c: d; d: e; e: cam', 'depth', 'a b c d e'],
  ['five in a row, told in another order', 'e: cam; c: d; a: b; d: e; b: c', 'depth', 'a b c d e'],
  ['two ways to the same program', 'a: b c; b: d; c: d; d: cam', undefined, undefined],
  ['itself', 'main: cam-1 main', 'loop', 'main main'],
  ['itself by a pattern', 'main: cam-1 ma*', 'loop', 'main main'],
  ['itself through three others', 'main: a; a: b; b: c; c: cam main', 'loop', 'main a b c main'],
  [
    'itself through three others by patterns',
    'main: a*; a1: b*; b1: c?; c1: m*n',
    'loop',
    'main a1 b1 c1 main',
  ],
  ['a loop beside the first program', 'x: cam; y: z; z: y', 'loop', 'y z y'],
  ['a pattern that takes a program', 'all: cam-*; cam-mix: cam1 cam2', undefined, undefined],
  ['a pattern that makes it too deep', 'a: b*; b1: c*; c1: d*; d1: e*; e1: cam', 'depth', 'a b1 c1 d1 e1'],
] as const)
  test(`programs: ${what}`, (t) => {
    const fault = programFault(programs(text))
    t.is(fault?.kind, kind)
    t.is(fault?.way.join(' '), way)
  })

const PATTERNS = ['a*', '*d', 'x*', 'y?', '?x']

/** The longest way, by trying all of them; Infinity for a loop. */
function depthOf(nodes: readonly ProgramNode[]): number {
  const deepest = ({ id, inputs }: ProgramNode, way: readonly string[]): number => {
    if (way.includes(id)) return Number.POSITIVE_INFINITY
    const below = nodes.filter((other) => inputs.some((input) => compileGlob(input)(other.id)))
    return 1 + Math.max(0, ...below.map((other) => deepest(other, [...way, id])))
  }
  return Math.max(0, ...nodes.map((node) => deepest(node, [])))
}

test('any programs: a fault is found exactly where there is one, and is a true way', (t) => {
  const counts = { none: 0, loop: 0, depth: 0 }
  for (let seed = 1; seed <= 3000; seed++) {
    const random = new Seeded(seed)
    const ids = ['a', 'b', 'c', 'd', 'e', 'ab', 'cd'].slice(0, random.int(1, 7))
    const nodes = ids.map((id, at) => {
      // Mostly programs further on: else nearly all would be loops.
      const names = [...ids.slice(at + 1), ...ids.slice(at + 1), random.pick(ids), 'x', random.pick(PATTERNS)]
      return { id, inputs: Array.from({ length: random.int(1, 2) }, () => random.pick(names)) }
    })
    const fault = programFault(nodes)
    const depth = depthOf(nodes)
    counts[fault?.kind ?? 'none'] += 1
    const expected =
      depth === Number.POSITIVE_INFINITY ? 'loop' : depth > MAX_PROGRAM_DEPTH ? 'depth' : undefined
    t.is(fault?.kind, expected, `seed ${seed}: ${JSON.stringify(nodes)}`)
    for (const [at, id] of (fault?.way ?? []).entries()) {
      const next = fault!.way[at + 1]
      const node = nodes.find((each) => each.id === id)!
      if (next !== undefined)
        t.true(
          node.inputs.some((input) => compileGlob(input)(next)),
          `seed ${seed}`,
        )
    }
    if (fault?.kind === 'loop') t.is(fault.way[0], fault.way.at(-1))
  }
  t.true(Math.min(...Object.values(counts)) > 50, JSON.stringify(counts))
})
