import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { LinkAction, LinkFact, LinkSeen } from '../../../policy/link/link-terms.ts'

/** What the link looked like, but for the time. */
type Sight = Omit<LinkSeen, 'nowMs'>

/** One line of a recording. */
interface Line {
  /** Since the link's first step, ms. */
  readonly at: number
  readonly fact: LinkFact
  /** Left out where the link looks as it did. */
  readonly seen?: Sight
  /** Left out where it is nothing new. */
  readonly does?: readonly LinkAction[]
}

/** One step of a recorded link. */
export interface RecordedStep {
  readonly fact: LinkFact
  readonly seen: LinkSeen
  /** What the hub did that it had not been doing already. */
  readonly news: readonly LinkAction[]
}

/** These happen; the others set what holds until the next of their kind. */
const HAPPEN = new Set<LinkAction['do']>(['pin', 'probe', 'cut'])

/** Keeps of each step's actions those that change something, with times in whole ms: a recording begins at 0. */
export class News {
  readonly #standing = new Map<string, LinkAction>()

  of(actions: readonly LinkAction[]): LinkAction[] {
    return actions.map(inWholeMs).filter((action) => {
      if (HAPPEN.has(action.do)) return true
      const key = `${action.do} ${'id' in action ? action.id : ''}`
      const same = isDeepStrictEqual(this.#standing.get(key), action)
      this.#standing.set(key, action)
      return !same
    })
  }
}

function inWholeMs(action: LinkAction): LinkAction {
  if (action.do === 'cut') return { ...action, drainingMs: Math.round(action.drainingMs) }
  return action.do === 'look' ? { ...action, afterMs: Math.round(action.afterMs) } : action
}

/** Writes a link's steps down, a line each (JSON Lines). */
export class Recording {
  readonly #news = new News()
  #startedAt: number | null = null
  #sight = ''

  line(fact: LinkFact, { nowMs, ...sight }: LinkSeen, actions: readonly LinkAction[]): string {
    this.#startedAt ??= nowMs
    const before = this.#sight
    this.#sight = JSON.stringify(sight)
    const news = this.#news.of(actions)
    const line: Line = {
      at: nowMs - this.#startedAt,
      fact,
      ...(this.#sight !== before && { seen: sight }),
      ...(news.length > 0 && { does: news }),
    }
    return `${JSON.stringify(line)}\n`
  }
}

export function readRecording(path: string): RecordedStep[] {
  let sight: Sight | undefined
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((text) => {
      const line: Line = JSON.parse(text)
      sight = line.seen ?? sight
      if (!sight) throw new Error(`${path}: its first line does not tell how the link looked`)
      return { fact: line.fact, seen: { ...sight, nowMs: line.at }, news: line.does ?? [] }
    })
}
