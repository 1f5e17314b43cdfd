import { compileGlob } from '../glob.ts'

/** Most programs one behind the other: what a viewer sees passed this many switches. */
export const MAX_PROGRAM_DEPTH = 4

export interface ProgramNode {
  readonly id: string
  /** Streams by id or pattern. */
  readonly inputs: readonly string[]
}

/** Programs that must not be: each of `way` takes the next. */
export interface ProgramFault {
  readonly kind: 'loop' | 'depth'
  readonly way: readonly string[]
}

/**
 * What is wrong with the programs of a tenant, if anything. A program takes every program whose id its inputs name or
 * match, whether that one runs or not. So what is allowed once stays allowed, whatever streams come and go.
 *
 * A loop is found by a search that remembers which programs are finished; the deepest way below each is known then.
 */
export function programFault(programs: readonly ProgramNode[]): ProgramFault | null {
  const takes = new Map(
    programs.map(({ id, inputs }) => {
      const matches = inputs.map(compileGlob)
      return [id, programs.filter((other) => matches.some((match) => match(other.id))).map(({ id }) => id)]
    }),
  )
  /** The longest way that begins at a program. */
  const longest = new Map<string, readonly string[]>()
  let loop: readonly string[] | null = null
  const follow = (id: string, way: readonly string[]): readonly string[] => {
    const known = longest.get(id)
    if (known) return known
    const from = way.indexOf(id)
    if (from !== -1) {
      loop ??= [...way.slice(from), id]
      return []
    }
    let deepest: readonly string[] = []
    for (const input of takes.get(id) ?? []) {
      const below = follow(input, [...way, id])
      if (loop) return []
      if (below.length > deepest.length) deepest = below
    }
    const found = [id, ...deepest]
    longest.set(id, found)
    return found
  }
  const ways = programs.map(({ id }) => follow(id, []))
  if (loop) return { kind: 'loop', way: loop }
  const deep = ways.find((way) => way.length > MAX_PROGRAM_DEPTH)
  return deep ? { kind: 'depth', way: deep } : null
}
