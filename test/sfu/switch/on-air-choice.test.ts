import test from 'ava'
import { switchRulesOf } from '../../../common/wire/switched-inputs.ts'
import { OnAirChoice } from '../../../sfu/switch/on-air-choice.ts'

const IDS = ['main', 'spare', 'third']
const THRESHOLD_MS = 500

/** A lane by hand or by the rules, with `main` on air and all three healthy. */
function lane(auto: boolean, onAir: string | null = null) {
  const rules = { ...switchRulesOf('director'), auto }
  const choice = new OnAirChoice({ on_air: onAir, taken: onAir, rules }, 0)
  let now = 0
  const last = new Map(IDS.map((id) => [id, 0]))
  return {
    choice,
    /** Time goes on; these inputs send, and the wanted one begins if it has a keyframe. */
    goOn(ms: number, sending: readonly string[], keyframes = false) {
      now += ms
      for (const id of sending) last.set(id, now)
      const inputs = IDS.map((id) => ({
        id,
        seen: {
          present: true,
          refused: null,
          soundOnly: false,
          mediaMs: last.get(id)!,
          soundMs: null,
          changedMs: null,
          gapMs: 0,
        },
      }))
      const step = choice.step(inputs, rules, now)
      if (keyframes) choice.begins(choice.wanted)
      return step
    },
  }
}

for (const auto of [true, false]) {
  test(`what was given up is forgotten, and what is on air stays (auto ${auto})`, (t) => {
    const { choice, goOn } = lane(auto)
    goOn(1, IDS, true)
    t.is(choice.onAir, 'main')
    for (const id of ['third', 'spare']) {
      t.true(choice.take(id))
      t.true(goOn(10, IDS).changed)
      t.is(choice.wanted, id)
    }
    choice.giveUp()
    t.true(goOn(10, IDS).changed)
    t.is(choice.wanted, 'main')
    t.not(choice.taken, 'spare')
    t.false(goOn(10, IDS).changed)
  })

  test(`a take that a predecessor left is carried out, whatever was on air (auto ${auto})`, (t) => {
    const { choice, goOn } = lane(auto, 'main')
    goOn(1, IDS)
    t.true(choice.take('spare'))
    goOn(1, IDS)
    t.is(choice.wanted, 'spare')
  })

  test(`a take of a successor that has not looked yet is no failed one (auto ${auto})`, (t) => {
    const { choice, goOn } = lane(auto, 'third')
    goOn(THRESHOLD_MS + 1, ['spare'])
    t.true(choice.take('spare'))
    goOn(1, IDS)
    t.is(choice.wanted, 'spare')
  })

  test(`what was taken before stays taken (auto ${auto})`, (t) => {
    const { choice, goOn } = lane(auto)
    goOn(1, IDS, true)
    choice.take('third')
    goOn(10, IDS, true)
    choice.take('spare')
    goOn(10, IDS)
    choice.giveUp()
    goOn(60_000, IDS)
    t.is(choice.wanted, 'third')
    t.is(choice.taken, 'third')
  })

  test(`an input that fails before it is on air gives way to what is (auto ${auto})`, (t) => {
    const { choice, goOn } = lane(auto)
    goOn(1, IDS, true)
    choice.take('third')
    goOn(10, IDS, true)
    choice.take('spare')
    goOn(10, IDS)
    t.true(goOn(THRESHOLD_MS + 1, ['main', 'third']).changed)
    t.is(choice.wanted, 'third')
  })

  test(`an input that fails on air is not given back to (auto ${auto})`, (t) => {
    const { choice, goOn } = lane(auto)
    goOn(1, IDS, true)
    choice.take('main')
    choice.take('spare')
    goOn(10, IDS, true)
    goOn(THRESHOLD_MS + 1, ['main', 'third'])
    t.is(choice.wanted, auto ? 'main' : null)
    goOn(10, ['main', 'third'])
    t.is(choice.wanted, auto ? 'main' : null)
  })
}
