import { setTimeout as delay } from 'node:timers/promises'
import { errorKinds, unexpectedKinds } from './hub-errors.ts'
import { measureQuiet, QUANTITY_NAMES, type Reading, readNow, type Sample } from './measure.ts'
import { type ActionCounts, runActions } from './run-actions.ts'
import { settle } from './settle.ts'
import type { SoakOptions } from './soak-options.ts'
import { openSoakRig, type SoakRig } from './soak-rig.ts'
import { judge, type SoakVerdict } from './verdict.ts'

/** Before it is measured for the first time: whatever is made once, at first use, has been made. */
const WARM_UP_MS = 30_000
const SAY_EVERY_MS = 10_000

export interface SoakResult extends SoakVerdict {
  readonly seed: string
  readonly minutes: number
  readonly actions: Readonly<Record<string, { done: number; failed: number; last_error: string | null }>>
  /** Lines of the hub's log at level error, by kind. */
  readonly errors: Readonly<Record<string, number>>
}

/** Runs the soak. @throws where it can't run at all, or `signal` aborts */
export async function soak(
  { minutes, seed }: SoakOptions,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<SoakResult> {
  say('starting the hub and its senders')
  await using rig = await openSoakRig()
  const counts: ActionCounts = new Map()
  say('warming up')
  await during(rig, `${seed}/warm`, WARM_UP_MS, new Map(), say, signal)
  await settle(rig, say)
  const baseline = await measureQuiet(rig.hub)
  say(`before: ${wordsOf(baseline.values)}`)
  const peaks = await during(rig, seed, minutes * 60_000, counts, say, signal)
  const notWell = await settle(rig, say)
  const end: Sample = await measureQuiet(rig.hub)
  say(`after: ${wordsOf(end.values)}`)
  const errors = errorKinds(rig.hub.log)
  const actions = new Map(counts)
  const verdict = judge({ baseline, end, peaks, actions, notWell, unexpectedErrors: unexpectedKinds(errors) })
  return {
    ...verdict,
    seed,
    minutes,
    errors: Object.fromEntries(errors),
    actions: Object.fromEntries(
      [...actions].map(([name, { done, failed, lastError }]) => [
        name,
        { done, failed, last_error: lastError },
      ]),
    ),
  }
}

/** Disturbs the hub for this long, and says how it goes. @returns the most that was seen of each quantity */
async function during(
  rig: SoakRig,
  seed: string,
  ms: number,
  counts: ActionCounts,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Partial<Reading>> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(ms)])
  const acting = runActions(rig, seed, counts, over)
  const peaks: Partial<Record<keyof Reading, number>> = {}
  while (!over.aborted) {
    await delay(SAY_EVERY_MS, undefined, { signal: over }).catch(() => {})
    const reading = await readNow(rig.hub).catch(() => null)
    if (!reading) continue
    for (const name of QUANTITY_NAMES)
      if (isRead(name, reading)) peaks[name] = Math.max(peaks[name] ?? 0, reading[name])
    const total = [...counts.values()].reduce((sum, { done, failed }) => sum + done + failed, 0)
    say(`${total} actions; ${wordsOf(reading)}`)
  }
  await acting
  signal.throwIfAborted()
  return peaks
}

function isRead(name: string, reading: Reading): name is keyof Reading {
  return name in reading
}

function wordsOf(values: Readonly<Record<string, number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${Math.round(value)}`)
    .join(', ')
}
