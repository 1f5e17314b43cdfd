import test from 'ava'
import { switchRulesOf } from '../../../common/wire/switched-inputs.ts'
import { type InputHealth, type InputSeen, judgeHealth } from '../../../policy/inputs/input-health.ts'

const FOCUS = switchRulesOf('focus')
const NOTICES_FROZEN = { ...FOCUS, frozen_ms: 5000 }
const HEALTHY: InputHealth = { id: 'main', state: 'healthy', sinceMs: 100 }
const SEEN: InputSeen = {
  present: true,
  refused: null,
  soundOnly: false,
  mediaMs: 10_000,
  soundMs: null,
  changedMs: 10_000,
  gapMs: 40,
}

const cases = {
  'media within the threshold is healthy, since the run began': [SEEN, FOCUS, 10_299, 'healthy', 100, 10_300],
  'silence counts from the last media': [SEEN, FOCUS, 10_300, 'silent', 10_000, null],
  'a slow sender has three of its pauses': [{ ...SEEN, gapMs: 500 }, FOCUS, 11_499, 'healthy', 100, 11_500],
  'a still picture is no fault by default': [
    { ...SEEN, changedMs: 200 },
    FOCUS,
    10_100,
    'healthy',
    100,
    10_300,
  ],
  'a still picture is frozen where asked for': [
    { ...SEEN, changedMs: 200 },
    NOTICES_FROZEN,
    10_100,
    'frozen',
    200,
    10_300,
  ],
  'the look comes before the picture counts as frozen': [
    { ...SEEN, changedMs: 5200 },
    NOTICES_FROZEN,
    10_100,
    'healthy',
    100,
    10_200,
  ],
  'a shared screen that stands still has sound': [
    { ...SEEN, soundMs: 10_900 },
    FOCUS,
    11_000,
    'healthy',
    100,
    11_200,
  ],
  'pictures and sound that stop together are missed alike': [
    { ...SEEN, soundMs: 10_010 },
    FOCUS,
    10_310,
    'silent',
    10_000,
    null,
  ],
  'sound alone is not enough': [{ ...SEEN, soundMs: 11_990 }, FOCUS, 12_000, 'silent', 10_000, null],
  'no stream': [{ ...SEEN, present: false }, FOCUS, 10_001, 'absent', 10_001, null],
  'sound alone': [{ ...SEEN, soundOnly: true, mediaMs: null }, FOCUS, 10_001, 'absent', 10_001, null],
  'no media yet': [{ ...SEEN, mediaMs: null }, FOCUS, 10_001, 'absent', 10_001, null],
  'refused media is refused, however lively': [
    { ...SEEN, refused: 'B-frames' },
    FOCUS,
    10_001,
    'refused',
    10_001,
    null,
  ],
} as const

for (const [title, [seen, rules, nowMs, state, sinceMs, lookAgainAtMs]] of Object.entries(cases))
  test(title, (t) => {
    const judged = judgeHealth(HEALTHY, seen, rules, nowMs)
    const reason = seen.soundOnly ? 'it sends sound and no pictures' : seen.refused
    const why = reason === null ? {} : { why: reason }
    t.deepEqual(judged, { health: { id: 'main', state, sinceMs, ...why }, lookAgainAtMs })
  })
