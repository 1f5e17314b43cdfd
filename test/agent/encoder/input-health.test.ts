import test from 'ava'
import { InputHealth } from '../../../agent/encoder/inputs/input-health.ts'

/** Plays pictures at a rate from a moment on, looks four times a second, and gives the last verdict. */
function rig(fps = 30) {
  const health = new InputHealth({ fps, firstWithinMs: 4000 })
  let now = 10_000
  health.opened(now)
  const run = (ms: number, rate: number, leaves = true) => {
    const end = now + ms
    let next = now
    let verdict = health.look(now)
    for (; now < end; now += 10) {
      while (rate > 0 && next <= now) {
        health.picture(now)
        if (leaves) health.left(now)
        next += 1000 / rate
      }
      if (now % 250 === 0) verdict = health.look(now)
    }
    return verdict
  }
  return { health, run, opened: () => health.opened(now) }
}

test('a source is live with its first picture, and its rate is known after three seconds', (t) => {
  const { run } = rig()
  t.is(run(500, 0).input, 'starting')
  t.like(run(500, 30), { input: 'live', fps: null, reopen: false })
  t.like(run(3500, 30), { input: 'live', fps: 30 })
})

test('a source without a picture is no input, and is opened again when that takes long', (t) => {
  const { run } = rig()
  t.like(run(4500, 0), { input: 'no_input', reopen: false })
  t.like(run(4000, 0), { input: 'no_input', reopen: true })
})

test('a source that stops is opened again within two seconds', (t) => {
  const { run } = rig()
  run(5000, 30)
  t.is(run(1000, 0).input, 'live')
  t.like(run(1000, 0), { input: 'no_input', reopen: true })
})

test('a picture a second is no input where 30 are asked for, and is where one is', (t) => {
  const slow = rig()
  slow.run(5000, 30)
  t.regex(slow.run(5000, 1).reason!, /delivers 1\.\d pictures a second where 30/)
  t.is(slow.run(4000, 30).input, 'live')
  const timelapse = rig(1)
  t.is(timelapse.run(10_000, 1).input, 'live')
})

test('a camera in the dark, at a quarter of its rate, is live and stays it', (t) => {
  const { run } = rig()
  run(5000, 30)
  t.is(run(20_000, 7.5).input, 'live')
})

test('between the bounds a source does not flap', (t) => {
  const { run } = rig()
  run(5000, 30)
  t.is(run(10_000, 6).input, 'live')
  t.is(run(10_000, 4).input, 'no_input')
  t.is(run(10_000, 6).input, 'no_input')
  t.is(run(10_000, 9).input, 'live')
})

test('pictures that never leave the decoder are no input, unless nobody wants them or they wait for an IDR', (t) => {
  const { run, opened } = rig()
  run(2000, 30)
  t.like(run(4000, 30, false), { input: 'no_input', reopen: true })
  // Opened again it stays what it was until something leaves.
  opened()
  t.is(run(1000, 30, false).input, 'no_input')
  t.is(run(1000, 30).input, 'live')
  const waiting = rig()
  waiting.run(2000, 30)
  for (let step = 0; step < 50; step += 1) {
    waiting.health.waits()
    t.is(waiting.run(100, 30, false).input, 'live')
  }
})
