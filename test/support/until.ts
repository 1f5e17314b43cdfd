import { setTimeout as delay } from 'node:timers/promises'

/**
 * Polls `condition` until it holds (its value is returned); after `withinMs` it throws, naming what was awaited. The
 * default is no bound on how fast anything is, which benches are for: it only has to be past what a starved machine needs.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string,
  withinMs = 20_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + withinMs
  for (;;) {
    const value = await condition()
    if (value) return value
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`)
    await delay(20)
  }
}
