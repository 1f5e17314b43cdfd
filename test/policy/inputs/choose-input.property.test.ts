import test from 'ava'
import { type InputState, switchRulesOf } from '../../../common/wire/switched-inputs.ts'
import {
  type ChoiceRules,
  chooseInput,
  FRESH_INPUTS,
  type InputChoice,
  takeByHand,
} from '../../../policy/inputs/choose-input.ts'
import type { InputHealth } from '../../../policy/inputs/input-health.ts'
import { FLAP_MS, holdOf } from '../../../policy/inputs/input-trust.ts'
import { Seeded } from '../seeded.ts'

const AUTO = switchRulesOf('focus')
const UNHEALTHY: readonly InputState[] = ['silent', 'absent', 'refused', 'frozen']

/** What changes at one time: the state of an input, the rules, or a take. */
type Happening =
  | { readonly atMs: number; readonly id: string; readonly state: InputState }
  | { readonly atMs: number; readonly take: string }
  | { readonly atMs: number; readonly auto: boolean }

interface Step {
  readonly atMs: number
  readonly inputs: readonly InputHealth[]
  readonly choice: InputChoice
  readonly before: string | null
  readonly auto: boolean
}

/** Plays what happens, looks again when asked to, and returns every step. */
function play(
  ids: readonly string[],
  happenings: readonly Happening[],
  rules: ChoiceRules,
  endMs: number,
): Step[] {
  const steps: Step[] = []
  let inputs: readonly InputHealth[] = ids.map((id) => ({ id, state: 'absent', sinceMs: 0 }))
  let state = FRESH_INPUTS
  let { auto } = rules
  let lookAtMs: number | null = null
  const step = (atMs: number) => {
    const before = state.onAir
    const choice = chooseInput(state, inputs, { ...rules, auto }, atMs)
    state = choice.state
    lookAtMs = choice.lookAgainAtMs
    steps.push({ atMs, inputs, choice, before, auto })
  }
  const lookUntil = (endMs: number) => {
    while (lookAtMs !== null && lookAtMs <= endMs) step(lookAtMs)
  }
  for (const happening of happenings.toSorted((a, b) => a.atMs - b.atMs)) {
    lookUntil(happening.atMs)
    if ('take' in happening) state = takeByHand(state, inputs, happening.take) ?? state
    else if ('auto' in happening) auto = happening.auto
    else
      inputs = inputs.map((input) =>
        input.id === happening.id && input.state !== happening.state
          ? { id: input.id, state: happening.state, sinceMs: happening.atMs }
          : input,
      )
    step(happening.atMs)
  }
  lookUntil(endMs)
  return steps
}

function someHappenings(random: Seeded, ids: readonly string[], endMs: number, byHand: boolean): Happening[] {
  const happenings: Happening[] = []
  for (const id of ids) {
    let atMs = random.int(0, 2000)
    let healthy = true
    const usualMs = random.pick([200, 1000, 8000, 30_000])
    while (atMs < endMs) {
      happenings.push({ atMs, id, state: healthy ? 'healthy' : random.pick(UNHEALTHY) })
      healthy = !healthy
      atMs += random.int(1, 2 * usualMs)
    }
  }
  for (let take = 0; byHand && take < 5; take++) {
    happenings.push({ atMs: random.int(0, endMs), take: random.pick([...ids, 'nobody']) })
    happenings.push({ atMs: random.int(0, endMs), auto: random.chance(0.6) })
  }
  return happenings
}

const idsOf = (count: number) => Array.from({ length: count }, (_, index) => `input-${index}`)
const stateOf = (inputs: readonly InputHealth[], id: string | null) =>
  inputs.find((input) => input.id === id)?.state

test('whatever happens: a healthy input is on air while one can be, and a better one returns in time', (t) => {
  const random = new Seeded(14_003)
  for (let round = 0; round < 300; round++) {
    const ids = idsOf(random.int(1, 8))
    const rules = { ...AUTO, return_after_ms: random.pick([0, 1000, 5000, null]) }
    for (const step of play(ids, someHappenings(random, ids, 60_000, false), rules, 120_000)) {
      const { choice, inputs, before, atMs } = step
      const { onAir, state } = choice
      const where = `round ${round} at ${atMs} ms`
      const held = (input: InputHealth) => atMs < input.sinceMs + holdOf(state.trusts, input.id)
      const ready = inputs.filter((input) => input.state === 'healthy' && !held(input))
      if (stateOf(inputs, onAir) === 'healthy') {
        // A healthy input is left only for a better one that was healthy for its time.
        if (stateOf(inputs, before) === 'healthy' && before !== onAir) {
          t.true(ids.indexOf(onAir!) < ids.indexOf(before!), where)
          const { sinceMs } = inputs.find(({ id }) => id === onAir)!
          t.true(rules.return_after_ms !== null && atMs - sinceMs >= rules.return_after_ms, where)
        }
        // Nobody better has waited for longer than needed.
        for (const better of ready.filter(({ id }) => ids.indexOf(id) < ids.indexOf(onAir!)))
          t.true(rules.return_after_ms === null || atMs < better.sinceMs + rules.return_after_ms, where)
      } else {
        t.deepEqual(ready, [], where)
        t.true(onAir === null || stateOf(inputs, onAir) === 'frozen', where)
      }
      t.is(choice.cause !== null, before !== onAir, where)
      t.is(choice.reason !== null, before !== onAir, where)
      t.true(choice.lookAgainAtMs === null || choice.lookAgainAtMs > atMs, where)
    }
  }
})

test('inputs that never flapped are on air at once: no healthy one waits for the slate', (t) => {
  const random = new Seeded(14_004)
  for (let round = 0; round < 200; round++) {
    const ids = idsOf(random.int(1, 8))
    const happenings = ids.flatMap((id): Happening[] => {
      const startMs = random.int(0, 5000)
      const endMs = startMs + random.int(FLAP_MS, 40_000)
      return [
        { atMs: startMs, id, state: 'healthy' },
        { atMs: endMs, id, state: random.pick(UNHEALTHY) },
      ]
    })
    for (const { inputs, choice } of play(ids, happenings, AUTO, 60_000)) {
      const healthy = inputs.filter((input) => input.state === 'healthy')
      if (healthy.length > 0) t.is(stateOf(inputs, choice.onAir), 'healthy')
    }
  }
})

test('without auto only a hand, the slate, and the taken input itself come on air', (t) => {
  const random = new Seeded(14_005)
  for (let round = 0; round < 300; round++) {
    const ids = idsOf(random.int(1, 8))
    for (const { choice, before, auto, inputs } of play(
      ids,
      someHappenings(random, ids, 60_000, true),
      AUTO,
      90_000,
    )) {
      if (auto || choice.onAir === before) continue
      const { taken } = choice.state
      if (choice.onAir === null) t.not(stateOf(inputs, taken), 'healthy')
      else t.true(choice.onAir === taken)
    }
  }
})

for (const count of [1, 2, 8])
  test(`${count} inputs that come and go every 200 ms are on air a few times in a minute`, (t) => {
    const ids = idsOf(count)
    const happenings: Happening[] = []
    for (const [index, id] of ids.entries())
      for (let atMs = index * 37; atMs < 60_000; atMs += 400) {
        happenings.push({ atMs, id, state: 'healthy' })
        happenings.push({ atMs: atMs + 200, id, state: 'silent' })
      }
    const steps = play(ids, happenings, AUTO, 60_000)
    const switches = steps.filter(({ choice }) => choice.cause !== null)
    t.true(switches.length > 0)
    t.true(switches.length <= 4 * count, `${switches.length} switches`)
  })

test('an input beside flapping ones stays on air', (t) => {
  const happenings: Happening[] = [{ atMs: 0, id: 'input-1', state: 'healthy' }]
  for (let atMs = 0; atMs < 60_000; atMs += 400) {
    happenings.push({ atMs, id: 'input-0', state: 'healthy' })
    happenings.push({ atMs: atMs + 200, id: 'input-0', state: 'silent' })
  }
  const switches = play(idsOf(2), happenings, AUTO, 60_000).filter(({ choice }) => choice.cause)
  t.true(switches.length <= 2, `${switches.length} switches`)
  t.is(switches.at(-1)?.choice.onAir, 'input-1')
})

test('however an input times its flaps, it comes on air at most 12 times in 10 s', (t) => {
  const random = new Seeded(14_006)
  let most = 0
  for (let round = 0; round < 300; round++) {
    const happenings: Happening[] = []
    for (let atMs = 0; atMs < 120_000; ) {
      happenings.push({ atMs, id: 'input-0', state: 'healthy' })
      atMs += random.pick([1, 200, 600, 1100, 2100, 4100, FLAP_MS])
      happenings.push({ atMs, id: 'input-0', state: 'silent' })
      atMs += 1
    }
    const arrivals = play(idsOf(1), happenings, AUTO, 120_000).filter(
      ({ choice }) => choice.cause && choice.onAir !== null,
    )
    for (const [index, { atMs }] of arrivals.entries())
      most = Math.max(most, arrivals.slice(index).filter((later) => later.atMs < atMs + 10_000).length)
  }
  t.true(most <= 12, `${most} times`)
})

test('the same happenings give the same choices', (t) => {
  for (let seed = 1; seed <= 50; seed++) {
    const run = () => {
      const random = new Seeded(seed)
      const ids = idsOf(random.int(1, 8))
      return play(ids, someHappenings(random, ids, 30_000, true), AUTO, 60_000)
    }
    t.deepEqual(run(), run())
  }
})
