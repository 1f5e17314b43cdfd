import { compileGlob, isPattern } from '../glob.ts'
import { laneOfInput } from '../inputs/input-names.ts'

export interface InputQuestion {
  /** Streams by id or pattern, in the order of preference. */
  readonly wanted: readonly string[]
  /** The tenant's streams that are there. */
  readonly streams: Iterable<string>
  /** Inputs up to now. */
  readonly present: readonly string[]
  /** Inputs that are on air or armed: they stay though their stream is away. */
  readonly held: readonly string[]
  readonly most: number
  /** Whether the program may show a stream. */
  readonly mayShow: (streamId: string) => boolean
}

export interface InputAnswer {
  readonly inputs: readonly string[]
  readonly leftOut: readonly { readonly id: string; readonly reason: 'full' | 'denied' }[]
}

/**
 * Which streams are the inputs of a program now. A stream that is named by its id has its place, there or not. The
 * streams of a pattern follow in the order of their ids. Where there are too many, those that were inputs before stay:
 * a new stream never pushes out what is on air.
 */
export function inputsNow({ wanted, streams, present, held, most, mayShow }: InputQuestion): InputAnswer {
  const known = [...new Set([...streams, ...held])].sort()
  const named = new Set(wanted.filter((text) => !isPattern(text)))
  const candidates = new Set<string>()
  for (const text of wanted) {
    if (!isPattern(text)) candidates.add(text)
    else {
      const matches = compileGlob(text)
      // An input of another switched stream belongs to that one: only its full name means it.
      for (const id of known) if (matches(id) && laneOfInput(id) === null) candidates.add(id)
    }
  }
  const leftOut: { id: string; reason: 'full' | 'denied' }[] = []
  const allowed = [...candidates].filter((id) => {
    const may = mayShow(id)
    // A pattern would tell the names of streams that nobody showed to whoever made the program.
    if (!may && named.has(id)) leftOut.push({ id, reason: 'denied' })
    return may
  })
  const rank = (id: string): number =>
    named.has(id) ? 0 : held.includes(id) ? 1 : present.includes(id) ? 2 : 3
  const first = allowed.toSorted((one, other) => rank(one) - rank(other)).slice(0, most)
  const inputs = allowed.filter((id) => first.includes(id))
  for (const id of allowed) if (!first.includes(id)) leftOut.push({ id, reason: 'full' })
  return { inputs, leftOut }
}
