import type { Page } from 'playwright-core'
import { takeShown } from './shown-pictures.ts'
import { until } from './until.ts'

/** A longer time between two pictures is a freeze, ms. */
const FREEZE_MS = 300
/** Pictures that follow each other are the sign that all is well. */
const MOVING = 15
/** Without a freeze for this long there was none, ms. */
const NO_FREEZE_MS = 5_000
/** After a freeze another one may follow, ms. */
const SETTLED_MS = 1_500

export interface Freeze {
  /** From the change until pictures move again, ms; 0 where they never stood still. */
  readonly againMs: number
  /** All times without pictures, ms. */
  readonly frozenMs: number
}

/**
 * Waits until the pictures move again that `watchShown` notes. @param from the moment of the change, unix ms
 * @throws when nothing moves within the time
 */
export async function picturesAgain(page: Page, from: number, withinMs = 30_000): Promise<Freeze> {
  const shown: number[] = []
  const freezes = () =>
    shown.flatMap((at, index) => {
      const before = Math.max(from, shown[index - 1] ?? from)
      return at > from && at - before >= FREEZE_MS ? [{ end: at, ms: at - before }] : []
    })
  const moving = () => {
    const last = freezes().at(-1)?.end
    const since = last ?? from
    if (last === undefined && Date.now() - from < NO_FREEZE_MS) return false
    if (Date.now() - (shown.at(-1) ?? 0) > FREEZE_MS) return false
    return shown.filter((at) => at > since).length >= MOVING && Date.now() - since > SETTLED_MS
  }
  await until(
    async () => {
      shown.push(...(await takeShown(page)).map(({ at }) => at))
      return moving()
    },
    'pictures move again',
    withinMs,
  )
  const all = freezes()
  return {
    againMs: Math.max(0, (all.at(-1)?.end ?? from) - from),
    frozenMs: all.reduce((sum, { ms }) => sum + ms, 0),
  }
}
