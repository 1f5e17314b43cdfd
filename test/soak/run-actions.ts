import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../common/errors.ts'
import { SeededRandom } from '../fuzz/seeded-random.ts'
import { type Action, type ActionCount, someMs } from './action.ts'
import { BAD_INPUT_ACTIONS } from './bad-input-actions.ts'
import { FLOW_ACTIONS } from './flow-actions.ts'
import { KILL_ACTIONS } from './kill-actions.ts'
import { PUBLISHER_ACTIONS } from './publisher-actions.ts'
import { RELAY_ACTIONS } from './relay-actions.ts'
import { ROAMING_ACTIONS } from './roaming-actions.ts'
import type { SoakRig } from './soak-rig.ts'
import { VIEWER_ACTIONS } from './viewer-actions.ts'

/** What goes on at the same time; each lane does one thing after the other. */
const LANES = 5
const PAUSE_MS = { least: 0, most: 600 } as const
/** Between two kills: a hub gets the time to heal, and not much more. */
const KILL_PAUSE_MS = { least: 2500, most: 9000 } as const
/** An action that hangs is given up: the hub must clean up what it holds. */
const ACTION_WITHIN_MS = 40_000

const ACTIONS = [
  ...VIEWER_ACTIONS,
  ...PUBLISHER_ACTIONS,
  ...FLOW_ACTIONS,
  ...RELAY_ACTIONS,
  ...ROAMING_ACTIONS,
  ...BAD_INPUT_ACTIONS,
]

export type ActionCounts = Map<string, ActionCount>

/** Lets things happen until `signal` aborts; resolves when all that was under way is over. */
export async function runActions(
  rig: SoakRig,
  seed: string,
  counts: ActionCounts,
  signal: AbortSignal,
): Promise<void> {
  const lane = async (
    index: number,
    actions: readonly Action[],
    pause: typeof PAUSE_MS | typeof KILL_PAUSE_MS,
  ) => {
    const random = new SeededRandom(`${seed}/${index}`)
    while (!signal.aborted) {
      const action = chosen(random, actions)
      await counted(action.name, counts, () =>
        withinTime(action.run({ rig, random, signal, lane: index }), action.name),
      )
      await delay(someMs(random, pause.least, pause.most), undefined, { signal }).catch(() => {})
    }
  }
  const lanes = Array.from({ length: LANES }, (_, index) => lane(index, ACTIONS, PAUSE_MS))
  await Promise.all([...lanes, lane(LANES, KILL_ACTIONS, KILL_PAUSE_MS)])
}

function chosen(random: SeededRandom, actions: readonly Action[]): Action {
  let left = random.below(actions.reduce((sum, { weight }) => sum + weight, 0))
  for (const action of actions) {
    left -= action.weight
    if (left < 0) return action
  }
  throw new Error('no action has a weight')
}

async function counted(name: string, counts: ActionCounts, run: () => Promise<void>): Promise<void> {
  const count = counts.get(name) ?? { done: 0, failed: 0, lastError: null }
  try {
    await run()
    counts.set(name, { ...count, done: (counts.get(name)?.done ?? 0) + 1 })
  } catch (error) {
    const before = counts.get(name) ?? count
    // What the end of the soak cut short says nothing.
    if (error instanceof Error && error.name === 'AbortError')
      counts.set(name, { ...before, done: before.done + 1 })
    else counts.set(name, { ...before, failed: before.failed + 1, lastError: messageOf(error) })
  }
}

async function withinTime(running: Promise<void>, what: string): Promise<void> {
  const late = new AbortController()
  const limit = delay(ACTION_WITHIN_MS, undefined, { signal: late.signal }).then(() => {
    throw new Error(`${what} was not over after ${ACTION_WITHIN_MS / 1000} s`)
  })
  limit.catch(() => {})
  try {
    await Promise.race([running, limit])
  } finally {
    late.abort()
  }
}
