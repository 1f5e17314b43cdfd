import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { cardClip } from '../support/card-clip.ts'
import { Chromium } from '../support/chromium.ts'
import { letEverybodyWatch } from '../support/everybody-watches.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import type { ImpairedLink } from '../support/impaired-link.ts'
import { renegotiations } from '../support/input-screen.ts'
import { LaneWatchers } from '../support/lane-watchers.ts'
import { steps, TICKS_PER_MS } from '../support/rtp-timeline.ts'
import { longestGapMs, numbering, runsOf } from '../support/seen-inputs.ts'
import { TestProgram } from '../support/test-program.ts'
import { openTwoPaths, PATHS } from '../support/two-paths.ts'
import { freeUdpRange } from '../support/udp-ports.ts'

/**
 * One encoder's pictures by two paths to two inputs of a lane, watched by the page, by a WHEP player and packet by packet.
 * The numbers in the pictures say what is missing on the screen.
 */

const ENCODER = 'encoder'
/** Longer than the silence of an input on air may last; shorter than what makes a sender try another port. */
const CUT_MS = 1000
/** A path that was cut may pause once more. Only a path in peace makes up for the other one. */
const PEACE_MS = 3000
const FRAME_MS = 1000 / 30
/** Fixed: a buffer that is fitted to its path again costs that path a third of a second. */
const BUFFER_MS = 200

let hub: TestHub
let program: TestProgram
let watchers: LaneWatchers
let links: readonly ImpairedLink[]
const resources = new AsyncDisposableStack()

test.before(async () => {
  const ports = await freeUdpRange(20)
  hub = resources.use(await startHub([], { workers: 1, args: ['--rist-ports', `${ports}-${ports + 19}`] }))
  await letEverybodyWatch(hub, {
    classes: { director: { rist_buffer: { min_ms: BUFFER_MS, max_ms: BUFFER_MS } } },
  })
  const path = await cardClip({ name: ENCODER, seconds: 90 })
  const { links: opened } = resources.use(
    await openTwoPaths(hub, { path, streamClass: 'director', bufferMs: BUFFER_MS }),
  )
  links = opened
  program = resources.use(
    await TestProgram.create(hub, { program_id: 'both', class: 'director', inputs: PATHS, auto: true }),
  )
  await program.until(({ merged }) => merged.length === PATHS.length, 'both paths are merged')
  const chromium = resources.use(await Chromium.launch())
  watchers = resources.use(await LaneWatchers.open(hub, chromium, program.id, [ENCODER]))
})

test.after.always(() => resources.disposeAsync())

for (const [index, path] of PATHS.entries())
  test.serial(`nobody notices that ${path} is cut, and that it is back`, async (t) => {
    const before = await watchers.screen.connections()
    await delay(PEACE_MS)
    await program.until(({ merged }) => merged.length === PATHS.length, 'both paths are merged')
    await watchers.screen.forget(1)
    const from = Date.now()
    await links[index]!.setBoth({ blackhole: true })
    await delay(CUT_MS)
    await links[index]!.setBoth({})
    await program.until(({ merged }) => merged.length === PATHS.length, 'both paths are merged again')
    await delay(500)
    await watchers.show(ENCODER, from + CUT_MS)
    await watchers.screen.look()
    t.deepEqual(
      runsOf(watchers.screen.shown).map(({ input }) => input),
      [ENCODER],
    )
    const { shown, decoded } = watchers.screen
    t.log(`${decoded.length} pictures; ${Math.round(longestGapMs(shown, from))} ms at most between two`)
    t.true(decoded.length > 30)
    const sent = steps(await watchers.packets('video'), TICKS_PER_MS.video)
    t.deepEqual(
      sent.flatMap(({ index, mediaMs }) => (mediaMs > 1.5 * FRAME_MS ? [[index, mediaMs]] : [])),
      [],
      'each picture came',
    )
    // A browser that waits for a core leaves one out now and then.
    const { lost, again } = numbering(decoded)
    t.true(lost <= 2, `${lost} pictures are missing on the screen`)
    t.is(again, 0)
    t.is(renegotiations(before, await watchers.screen.connections()), 0)
    t.deepEqual(await watchers.faults(), [])
  })
