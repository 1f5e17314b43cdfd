import test from 'ava'
import { cardClip } from '../support/card-clip.ts'
import { Chromium } from '../support/chromium.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { startHub } from '../support/hub.ts'
import { InputScreen, renegotiations } from '../support/input-screen.ts'
import { laneFaults } from '../support/lane-faults.ts'
import { numbering, runsOf } from '../support/seen-inputs.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

test('the page tells which card it shows, and the number of each picture', async (t) => {
  await using hub = await startHub([{ streamId: 'cam', links: 1 }], { workers: 1 })
  const path = await cardClip({ name: 'left', seconds: 30, renditions: 2 })
  await using _sender = await startClipSender(hub.streams.get('cam')!, { path, stamped: true })
  await using chromium = await Chromium.launch()
  await using werift = await WeriftViewer.open(hub.url, 'cam')
  const names = ['left', 'right']
  await using screen = await InputScreen.open(chromium, { url: `${hub.url}/watch/cam`, names })
  await screen.shows('left', 0)
  const before = await screen.connections()
  await screen.forget(1)
  await until(async () => {
    await screen.look()
    return screen.shown.length >= 90
  }, 'three seconds of pictures')
  t.deepEqual(
    runsOf(screen.shown).map(({ input }) => input),
    ['left'],
  )
  t.true(screen.decoded.length >= 85)
  t.deepEqual(numbering(screen.decoded), { lost: 0, again: 0 })
  // The clip's clock starts at 0, 30 pictures a second.
  for (const { clock, number } of screen.shown) t.is(clock, Math.round((number! * 1000) / 30))
  t.true(screen.shown.every(({ receivedAt, height }) => receivedAt !== null && height > 0))
  t.is(renegotiations(before, await screen.connections()), 0)
  for (const kind of ['video', 'audio'] as const)
    t.deepEqual(laneFaults((await werift.track(kind)).packets, kind), [])
})
