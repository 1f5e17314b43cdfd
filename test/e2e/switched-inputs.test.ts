import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { type CardClipOptions, cardClip } from '../support/card-clip.ts'
import { Chromium } from '../support/chromium.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { letEverybodyWatch } from '../support/everybody-watches.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { openImpairedLink } from '../support/impaired-link.ts'
import { LaneWatchers } from '../support/lane-watchers.ts'
import { longestSilence, TICKS_PER_MS } from '../support/rtp-timeline.ts'
import { numbering, runsOf } from '../support/seen-inputs.ts'
import { TestProgram } from '../support/test-program.ts'

/** One lane whose inputs have nothing in common: each can be cut to, and the lane goes on packet by packet. */

const USUAL = { name: 'usual', renditions: 2 } as const
const ODD: readonly Omit<CardClipOptions, 'seconds'>[] = [
  { name: 'smaller', width: 480, height: 270 },
  { name: 'larger', width: 1280, height: 720, kbps: 1500, profile: 'high' },
  { name: 'slow', fps: 10, gop: 5 },
  { name: 'fast', fps: 50, gop: 25 },
  { name: 'mute', sound: 'none' },
  { name: 'hours-later', firstPtsSeconds: 79_000 },
]
const NAMES = [USUAL.name, ...ODD.map(({ name }) => name)]
const SECONDS = 60
/** An input's sound may be silent over a cut for this long, ms. */
const SOUND_GAP_MS = 400

let hub: TestHub
let chromium: Chromium
const resources = new AsyncDisposableStack()

test.before(async () => {
  hub = resources.use(
    await startHub(
      [...NAMES, 'flapping', 'steady'].map((streamId) => ({ streamId, links: 1 })),
      { workers: 1 },
    ),
  )
  await letEverybodyWatch(hub)
  chromium = resources.use(await Chromium.launch())
})

test.after.always(() => resources.disposeAsync())

test.serial('inputs of another size, rate, clock, profile, and without sound', async (t) => {
  await using stack = new AsyncDisposableStack()
  const send = async (clip: Omit<CardClipOptions, 'seconds'>) => {
    const path = await cardClip({ ...clip, seconds: SECONDS })
    stack.use(await startClipSender(hub.streams.get(clip.name)!, { path, stamped: true, repeat: true }))
  }
  await send(USUAL)
  const program = stack.use(
    await TestProgram.create(hub, { program_id: 'odd', class: 'focus', inputs: NAMES }),
  )
  // The first input that has media gives the lane its layout.
  await program.takeWhenHealthy(USUAL.name)
  for (const clip of ODD) await send(clip)
  await program.until(({ sources }) => sources.every(({ state }) => state === 'healthy'), 'all are healthy')
  const watchers = stack.use(await LaneWatchers.open(hub, chromium, program.id, NAMES))
  await watchers.show(USUAL.name, 0)
  await watchers.screen.forget(1)
  for (const { name } of ODD)
    for (const input of [name, USUAL.name]) {
      const from = Date.now()
      await program.take(input)
      await watchers.show(input, from)
      await delay(700)
    }
  await watchers.screen.look()
  t.deepEqual(
    runsOf(watchers.screen.shown).map(({ input }) => input),
    [USUAL.name, ...ODD.flatMap(({ name }) => [name, USUAL.name])],
  )
  // Changes of the viewer's layer on the way may leave out a picture, but bring none again.
  t.is(numbering(watchers.screen.decoded).again, 0)
  t.deepEqual(await watchers.faults(), [])
  const sound = await watchers.packets('audio')
  const { arrivalMs } = longestSilence(sound, TICKS_PER_MS.audio)
  t.log(`the longest silence in the sound is ${Math.round(arrivalMs)} ms`)
  t.true(arrivalMs < SOUND_GAP_MS, `${arrivalMs} ms without sound`)
  const { sources } = await program.status()
  t.is(sources.find(({ id }) => id === USUAL.name)?.renditions, 2)
  t.is(sources.find(({ id }) => id === 'larger')?.renditions, 1)
})

test.serial('an input that flaps every 200 ms does not make the lane flap', async (t) => {
  await using stack = new AsyncDisposableStack()
  const [flapping, steady] = [hub.streams.get('flapping')!, hub.streams.get('steady')!]
  const link = stack.use(await openImpairedLink({ targetPort: flapping.ports[0]!, seed: 1 }))
  for (const [stream, ports] of [
    [flapping, [link.port]],
    [steady, steady.ports],
  ] as const) {
    const path = await cardClip({ name: stream.streamId, seconds: SECONDS })
    stack.use(
      await startClipSender({ ...stream, ports }, { path, stamped: true, repeat: true, bufferMs: 60 }),
    )
  }
  const program = stack.use(
    await TestProgram.create(hub, {
      program_id: 'flaps',
      class: 'focus',
      inputs: ['flapping', 'steady'],
      auto: true,
      // Shorter than the silence of a flap.
      threshold_ms: 100,
      return_after_ms: 1000,
    }),
  )
  await program.onAir('flapping')
  const watchers = stack.use(await LaneWatchers.open(hub, chromium, program.id, ['flapping', 'steady']))
  await watchers.show('flapping', 0)
  await watchers.screen.forget(1)
  const { switches: before } = await program.status()
  for (let flap = 0; flap < 40; flap += 1) {
    await link.setBoth({ blackhole: flap % 2 === 0 })
    await delay(200)
  }
  const { switches } = await program.status()
  t.log(`${switches - before} switches in 8 s of flapping`)
  // The standby's own pictures may be late for 100 ms on a busy machine, but not 40 times.
  t.true(switches - before <= 10, `${switches - before} switches`)
  await watchers.show('flapping', Date.now())
  await watchers.screen.look()
  t.log(
    `on the screen: ${runsOf(watchers.screen.shown)
      .map(({ input }) => input)
      .join(', ')}`,
  )
  t.true(runsOf(watchers.screen.shown).length <= 12)
})
