import { mock } from 'node:test'
import test from 'ava'
import { Seldom } from '../../../agent/direct/seldom.ts'

test.serial('the first call passes at once, and those that come meanwhile as one', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    let passed = 0
    using seldom = new Seldom(250, () => {
      passed += 1
    })
    seldom.call()
    t.is(passed, 1)
    for (let each = 0; each < 1000; each += 1) seldom.call()
    t.is(passed, 1)
    mock.timers.tick(249)
    t.is(passed, 1)
    mock.timers.tick(1)
    t.is(passed, 2)
    mock.timers.tick(10_000)
    t.is(passed, 2)
    seldom.call()
    t.is(passed, 3)
  } finally {
    mock.timers.reset()
  }
})
