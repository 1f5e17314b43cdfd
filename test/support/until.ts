import { setTimeout as delay } from 'node:timers/promises'

/** Polls `condition` until it holds (its value is returned); after `withinMs` it throws, naming what was awaited. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string,
  withinMs = 10_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + withinMs
  for (;;) {
    const value = await condition()
    if (value) return value
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`)
    await delay(20)
  }
}
