import test from 'ava'
import { type InputState, switchRulesOf } from '../../../common/wire/switched-inputs.ts'
import {
  type ChoiceRules,
  chooseInput,
  FRESH_INPUTS,
  type InputsState,
  resumedInputs,
  takeByHand,
} from '../../../policy/inputs/choose-input.ts'
import type { InputHealth } from '../../../policy/inputs/input-health.ts'

const AUTO = switchRulesOf('director')
const BY_HAND: ChoiceRules = { ...AUTO, auto: false }
const IDS = ['main', 'spare', 'third']

/** One lane: letters say how main, spare and third are doing. h healthy, s silent, f frozen, r refused, a absent. */
class Lane {
  state: InputsState
  readonly changes: string[] = []
  #health: InputHealth[] = IDS.map((id) => ({ id, state: 'absent', sinceMs: 0 }))
  #rules: ChoiceRules
  #nowMs = 0
  #lookAtMs: number | null = null

  constructor(rules: ChoiceRules, state: InputsState = FRESH_INPUTS) {
    this.#rules = rules
    this.state = state
  }

  at(ms: number, letters: string, rules = this.#rules): this {
    while (this.#lookAtMs !== null && this.#lookAtMs <= ms) this.#step(this.#lookAtMs)
    this.#rules = rules
    this.#health = this.#health.map((input, index) => {
      const state = STATES[letters[index]!]!
      return input.state === state ? input : { id: input.id, state, sinceMs: ms }
    })
    this.#step(ms)
    return this
  }

  take(id: string): boolean {
    const taken = takeByHand(this.state, this.#health, id)
    if (!taken) return false
    this.state = taken
    this.#step(this.#nowMs)
    return true
  }

  #step(ms: number): void {
    const choice = chooseInput(this.state, this.#health, this.#rules, ms)
    this.#nowMs = ms
    this.state = choice.state
    this.#lookAtMs = choice.lookAgainAtMs
    if (choice.cause) this.changes.push(`${ms} ${choice.onAir ?? 'slate'} ${choice.cause}`)
  }
}

const STATES: Record<string, InputState> = {
  h: 'healthy',
  s: 'silent',
  f: 'frozen',
  r: 'refused',
  a: 'absent',
}

const cases: Record<string, readonly [Lane, readonly string[]]> = {
  'the first input with media is on air, and a better one returns after its time': [
    new Lane(AUTO).at(100, 'aha').at(400, 'hha').at(9000, 'hha'),
    ['100 spare first', '5400 main returned'],
  ],
  'the next healthy one takes over at once, and the better one returns after 5 s of health': [
    new Lane(AUTO).at(0, 'hhh').at(7000, 'shh').at(9000, 'hhh').at(13_999, 'hhh').at(20_000, 'hhh'),
    ['0 main first', '7000 spare silent', '14000 main returned'],
  ],
  'health that is interrupted begins anew': [
    new Lane(AUTO)
      .at(0, 'hh')
      .at(7000, 'sh')
      .at(8000, 'hh')
      .at(12_900, 'sh')
      .at(13_000, 'hh')
      .at(30_000, 'hh'),
    ['0 main first', '7000 spare silent', '18000 main returned'],
  ],
  'by hand only means by hand': [
    new Lane({ ...AUTO, return_after_ms: null }).at(0, 'hh').at(7000, 'sh').at(8000, 'hh').at(99_000, 'hh'),
    ['0 main first', '7000 spare silent'],
  ],
  'refused and vanished inputs are left with their reason, and the slate ends at the first healthy one': [
    new Lane(AUTO).at(0, 'hha').at(6000, 'rha').at(12_000, 'raa').at(13_000, 'rah').at(14_000, 'hah'),
    ['0 main first', '6000 spare refused', '12000 slate absent', '13000 third back'],
  ],
  'a frozen picture is better than the slate, and worse than a healthy input': [
    new Lane(AUTO).at(0, 'haa').at(6000, 'faa').at(7000, 'fha').at(14_000, 'fsa').at(15_000, 'ssa'),
    ['0 main first', '7000 spare frozen', '14000 main silent', '15000 slate silent'],
  ],
}

for (const [title, [lane, changes]] of Object.entries(cases))
  test(title, (t) => {
    t.deepEqual(lane.changes, changes)
  })

test('taken by hand stays until it fails; then the order counts again', (t) => {
  const lane = new Lane(AUTO).at(0, 'hhh')
  t.true(lane.take('third'))
  lane.at(60_000, 'hhh').at(61_000, 'hhs').at(62_000, 'hhh').at(90_000, 'hhh')
  t.deepEqual(lane.changes, ['0 main first', '0 third taken', '61000 main silent'])
})

test('what is not healthy can not be taken, and what is on air stays', (t) => {
  const lane = new Lane(AUTO).at(0, 'hsa')
  t.false(lane.take('spare'))
  t.false(lane.take('third'))
  t.false(lane.take('of another tenant'))
  t.is(lane.state.onAir, 'main')
})

test('without auto nothing is cut by itself: the slate comes, and the taken input again', (t) => {
  const lane = new Lane(BY_HAND).at(0, 'hha')
  t.true(lane.take('spare'))
  lane.at(10_000, 'hsa').at(20_000, 'hha').at(30_000, 'sha')
  t.deepEqual(lane.changes, ['0 main first', '0 spare taken', '10000 slate silent', '20000 spare back'])
})

test('with auto switched off the input on air stays; switched on again, the order counts', (t) => {
  const lane = new Lane(AUTO).at(0, 'hha').at(6000, 'sha').at(6500, 'hha').at(7000, 'hha', BY_HAND)
  lane.at(20_000, 'hha')
  t.is(lane.state.onAir, 'spare')
  lane.at(30_000, 'hha', AUTO)
  t.deepEqual(lane.changes, ['0 main first', '6000 spare silent', '30000 main returned'])
})

test('after a restart the input that was on air has the first word for a second', (t) => {
  const before = { onAir: 'spare', taken: null, auto: true }
  const there = new Lane(AUTO, resumedInputs(before, 0)).at(10, 'haa').at(80, 'hha').at(2000, 'hha')
  t.deepEqual(there.changes, ['80 spare back'])
  const gone = new Lane(AUTO, resumedInputs(before, 0)).at(10, 'haa').at(2000, 'haa')
  t.deepEqual(gone.changes, ['1000 main back'])
})

test('the reason names both inputs', (t) => {
  const healthy: InputHealth[] = IDS.map((id) => ({ id, state: 'healthy', sinceMs: 0 }))
  const { state } = chooseInput(FRESH_INPUTS, healthy, AUTO, 0)
  const refused = healthy.with(0, { id: 'main', state: 'refused', sinceMs: 900, why: 'B-frames' })
  t.is(chooseInput(state, refused, AUTO, 900).reason, 'main is refused (B-frames): spare takes over')
  const silent = healthy.map(({ id }): InputHealth => ({ id, state: 'silent', sinceMs: 400 }))
  t.is(
    chooseInput(state, silent, AUTO, 900).reason,
    'main sent nothing for 500 ms: no other input can be shown',
  )
  t.is(
    chooseInput(state, healthy.with(0, silent[0]!), BY_HAND, 900).reason,
    'main sent nothing for 500 ms: no other is taken by hand, and auto is off',
  )
})
