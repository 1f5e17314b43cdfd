/**
 * Preloaded into a hub under test (NODE_OPTIONS `--expose-gc --import`): at SIGUSR2 it collects its garbage and tells
 * its parent what is left: memory, timers by the place that made them, and everything else that keeps a process alive.
 */
import timers from 'node:timers'
import { setImmediate as turn } from 'node:timers/promises'
import type { Census } from './census.ts'

// Its children are no hubs.
delete process.env['NODE_OPTIONS']

/** Timers that may still fire, with the place that made them. Finished ones are left out of the count. */
const made = new Map<NodeJS.Timeout, string>()
let sweepAt = 10_000

function noted<Arguments extends unknown[]>(
  make: (...args: Arguments) => NodeJS.Timeout,
): (...args: Arguments) => NodeJS.Timeout {
  const watched = (...args: Arguments): NodeJS.Timeout => {
    const timer = make(...args)
    made.set(timer, place())
    if (made.size > sweepAt) {
      sweep()
      sweepAt = Math.max(10_000, made.size * 2)
    }
    return timer
  }
  // `util.promisify` uses the symbol properties beside the call.
  for (const key of Object.getOwnPropertySymbols(make))
    Object.defineProperty(watched, key, Object.getOwnPropertyDescriptor(make, key) ?? {})
  return watched
}

/** File and line of the first frame that is neither Node's own nor this file's. */
function place(): string {
  const lines = new Error().stack?.split('\n').slice(1) ?? []
  const line = lines.find((frame) => !frame.includes('hub-census') && !frame.includes('node:'))
  return /([^/]+\/[^/]+:\d+):\d+\)?$/.exec(line ?? '')?.[1] ?? 'node'
}

function sweep(): void {
  // Node marks timers that fired or were cleared, and removes the mark when a timer is refreshed.
  for (const timer of made.keys()) if (Reflect.get(timer, '_destroyed') === true) made.delete(timer)
}

globalThis.setTimeout = noted(globalThis.setTimeout) as typeof setTimeout
globalThis.setInterval = noted(globalThis.setInterval) as typeof setInterval
Object.assign(timers, { setTimeout: globalThis.setTimeout, setInterval: globalThis.setInterval })

process.on('SIGUSR2', () => void tell())

async function tell(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.()
    // What finalizers release is collected the next time.
    await turn()
  }
  sweep()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  const census: Census = {
    type: 'census',
    heap_mb: heapUsed / 1e6,
    external_mb: (external + arrayBuffers) / 1e6,
    timers: counted(made.values()),
    handles: counted(
      process.getActiveResourcesInfo().filter((name) => name !== 'Timeout' && name !== 'Immediate'),
    ),
  }
  process.send?.(census, undefined, undefined, () => {})
}

function counted(names: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
