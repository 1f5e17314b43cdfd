import test from 'ava'
import { type Attempt, PathRecovery, type RecoveredPath } from '../../signaling/client/path-recovery.ts'
import { until } from '../support/until.ts'

/** A path that answers each attempt as it is told, the last answer for good. */
function path(answers: readonly Attempt[], { arrives = true } = {}) {
  const heard: string[] = []
  let bytes = 0
  const recovered: RecoveredPath = {
    attempt: async (restart, number) => {
      heard.push(`${number}: ${restart}`)
      const answer = answers[Math.min(number, answers.length - 1)]!
      if (answer === 'done' && arrives) bytes += 1000
      return answer
    },
    arrived: async () => bytes,
    connected: false,
    recovered: () => heard.push('recovered'),
    failed: (reason) => heard.push(`failed: ${reason}`),
  }
  return { heard, recovery: new PathRecovery(recovered) }
}

const cases: [what: string, answers: Attempt[], heard: string[]][] = [
  ['media that arrives after the first restart', ['done'], ['0: silence', 'recovered']],
  [
    'a hub that is reached at the third attempt',
    ['unreachable', 'unreachable', 'done'],
    ['0: silence', '1: silence', '2: silence', 'recovered'],
  ],
  ['a hub that has closed the transport', ['gone'], ['0: silence', 'failed: the hub has given up the media']],
]

for (const [what, answers, expected] of cases)
  test(what, async (t) => {
    const { heard, recovery } = path(answers)
    recovery.begin('silence')
    t.true(recovery.running)
    await recovery.done
    t.false(recovery.running)
    t.deepEqual(heard, expected)
  })

test('ICE restarts again while nothing arrives, and sooner when the network changes again', async (t) => {
  const { heard, recovery } = path(['done'], { arrives: false })
  const begun = performance.now()
  recovery.begin('silence')
  await until(() => heard.length === 1, 'the first attempt')
  recovery.begin('silence')
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.is(heard.length, 1)
  recovery.begin('network')
  await until(() => heard.length === 2, 'the second attempt')
  t.true(performance.now() - begun < 1400)
  await until(() => heard.length === 3, 'the third attempt')
  recovery.close()
  await recovery.done
  t.deepEqual(heard.slice(3), [])
})

test('a lost connection alone needs no restart, unless the path is lost too', async (t) => {
  const alone = path(['unreachable', 'done'])
  alone.recovery.begin(null)
  await alone.recovery.done
  t.deepEqual(alone.heard, ['0: null', '1: null', 'recovered'])

  const both = path(['unreachable', 'done'])
  both.recovery.begin(null)
  await until(() => both.heard.length === 1, 'the first attempt')
  both.recovery.begin('silence')
  await both.recovery.done
  t.deepEqual(both.heard, ['0: null', '1: silence', 'recovered'])
})
