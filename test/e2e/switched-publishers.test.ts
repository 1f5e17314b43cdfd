import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { cardCamera } from '../support/card-camera.ts'
import { cardClip } from '../support/card-clip.ts'
import { Chromium } from '../support/chromium.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { letEverybodyWatch } from '../support/everybody-watches.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { renegotiations } from '../support/input-screen.ts'
import { LaneWatchers } from '../support/lane-watchers.ts'
import { RtcPage } from '../support/rtc-page.ts'
import { runsOf } from '../support/seen-inputs.ts'
import { TestProgram } from '../support/test-program.ts'
import { until } from '../support/until.ts'

/** A lane whose inputs are a field sender and browsers that publish by WHIP. */

const [FIELD, STUDIO, OTHER] = ['field', 'studio', 'other-codec'] as const

let hub: TestHub
const resources = new AsyncDisposableStack()

test.before(async () => {
  hub = resources.use(await startHub([{ streamId: FIELD, links: 1 }], { workers: 1 }))
  await letEverybodyWatch(hub)
})

test.after.always(() => resources.disposeAsync())

test('cuts between a field sender and a browser, which may reload; another codec is refused', async (t) => {
  t.timeout(120_000)
  await using stack = new AsyncDisposableStack()
  const path = await cardClip({ name: FIELD, seconds: 90 })
  stack.use(await startClipSender(hub.streams.get(FIELD)!, { path, stamped: true, repeat: true }))
  const program = stack.use(
    await TestProgram.create(hub, { program_id: 'show', class: 'focus', inputs: [FIELD, STUDIO, OTHER] }),
  )
  await program.takeWhenHealthy(FIELD)
  const studio = stack.use(await Chromium.launch({ publish: true, flags: [await cardCamera(STUDIO)] }))
  const token = await hub.issueToken({ role: 'publisher' })
  const publish = async (streamId: string, codec: string) => {
    const page = await RtcPage.open(studio)
    const made = await page.publish(`${hub.url}/whip/${streamId}`, token, { codec })
    t.is(made.status, 201, made.body)
    await until(async () => (await page.media('outbound-rtp')).frames > 0, 'pictures sent')
    return page
  }
  const first = await publish(STUDIO, 'H264')
  const chromium = stack.use(await Chromium.launch())
  const watchers = stack.use(await LaneWatchers.open(hub, chromium, program.id, [FIELD, STUDIO]))
  await watchers.show(FIELD, 0)
  const before = await watchers.screen.connections()
  await watchers.screen.forget(1)
  const cut = async (input: string) => {
    const from = Date.now()
    await program.takeWhenHealthy(input)
    await watchers.show(input, from)
    await delay(700)
  }
  await cut(STUDIO)
  await cut(FIELD)
  await cut(STUDIO)
  // The page is gone, and comes back with other SSRCs. Meanwhile the field sender is on air.
  await cut(FIELD)
  await first[Symbol.asyncDispose]()
  await program.until(
    ({ sources }) => sources.some(({ id, state }) => id === STUDIO && state !== 'healthy'),
    'the studio is away',
  )
  stack.use(await publish(STUDIO, 'H264'))
  await cut(STUDIO)
  await cut(FIELD)

  stack.use(await publish(OTHER, 'VP8'))
  await program.until(
    ({ sources }) => sources.some(({ id, state }) => id === OTHER && state === 'refused'),
    'VP8 is refused',
  )
  const { status, body } = await program.tryTake(OTHER)
  t.is(status, 409)
  t.like(body, { error: { code: 'input_not_live' } })
  await watchers.screen.look()
  t.deepEqual(
    runsOf(watchers.screen.shown).map(({ input }) => input),
    [FIELD, STUDIO, FIELD, STUDIO, FIELD, STUDIO, FIELD],
  )
  t.is(renegotiations(before, await watchers.screen.connections()), 0)
  // Whatever a browser's encoder leaves out is a hole of its own; nothing may go back, and each hole ends with an IDR.
  t.deepEqual(await watchers.faults(8), [])
})
