import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import type { PublisherControl } from '../../sfu/stream-source.ts'
import type { ViewingTerms } from '../../sfu/viewed-media.ts'
import { Viewer } from '../../sfu/viewer.ts'
import { openLaneStream } from '../support/lane-stream.ts'
import { openWorkers, placementOn } from '../support/local-workers.ts'
import { until } from '../support/until.ts'

const TERMS: ViewingTerms = {
  contractId: 'c-1',
  abr: { min_kbps: 100, start_kbps: 1000, max_kbps: 5000 },
  priority: 100,
  view: { video: true, audio: true, visible: true, focused: false, tile: null },
}
const CLIENT = { tell: () => {}, offer: async () => {} }
const CONTROL: PublisherControl = {
  answersKeyframes: true,
  direct: null,
  requestKeyframe: () => {},
  demanded: () => {},
  viewersChanged: () => {},
  stateChanged: () => {},
  arrived: () => {},
}
const DRAINING_MS = 700

/**
 * A viewer of a stream with this many layers on a real worker, and the times when its picture paused and resumed, ms.
 */
async function openRig(renditions = 2) {
  const stack = new AsyncDisposableStack()
  const pool = stack.use(await openWorkers(1))
  const placement = placementOn(pool)
  const openStream = async (streamId: string, renditions: number) =>
    stack.use(await openLaneStream({ pool, placement, streamId, renditions })).stream
  const stream = await openStream('watched', renditions)
  const capabilities = pool.slots[0]!.router.rtpCapabilities
  const failed = (_kind: string, error: unknown) => {
    throw error
  }
  const hears = { transportLost: () => {}, mediaFailed: failed }
  const viewer = stack.use(await Viewer.open(stream, 1000, { capabilities }, hears))
  const media = viewer.add(stream, TERMS, CLIENT)
  await media.consume(false)
  const happened: { what: string; at: number }[] = []
  for (const what of ['pause', 'resume'] as const)
    media.video!.observer.on(what, () => happened.push({ what, at: performance.now() }))
  /** Watches a layered stream, too: then single layers are consumed again, to count in the estimate. */
  const watchLayers = async () => viewer.add(await openStream('layered', 2), TERMS, CLIENT).consume(false)
  return { stream, media, happened, watchLayers, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

test('a picture that is cut waits for the queue to drain where a keyframe comes when it is asked for', async (t) => {
  await using rig = await openRig()
  using _control = rig.stream.controlledBy(CONTROL)
  rig.media.cut(DRAINING_MS)
  await until(() => rig.happened.length === 2, 'the picture goes on')
  const [paused, resumed] = rig.happened
  t.deepEqual([paused?.what, resumed?.what], ['pause', 'resume'])
  const heldMs = resumed!.at - paused!.at
  t.true(heldMs > DRAINING_MS / 2, `${heldMs}`)
})

test('it goes on at once where the next keyframe comes by itself, and where nothing has to drain', async (t) => {
  await using rig = await openRig()
  using _deaf = rig.stream.controlledBy({ ...CONTROL, answersKeyframes: false })
  rig.media.cut(60_000)
  await until(() => rig.happened.length === 2, 'the picture goes on')
  using _control = rig.stream.controlledBy(CONTROL)
  rig.media.cut(0)
  await until(() => rig.happened.length === 4, 'the picture goes on again')
  t.pass()
})

test('a picture that is held back stays so where it is not wanted any more', async (t) => {
  await using rig = await openRig()
  using _control = rig.stream.controlledBy(CONTROL)
  rig.media.cut(DRAINING_MS)
  rig.media.setView({ ...TERMS.view, visible: false })
  await delay(DRAINING_MS * 1.5)
  t.true(rig.media.video!.paused)
  rig.media.setView(TERMS.view)
  await until(() => rig.media.video!.paused === false, 'it plays when it is wanted again')
})

test('a picture that is consumed anew while it is held back goes on, too', async (t) => {
  await using rig = await openRig(1)
  using _control = rig.stream.controlledBy(CONTROL)
  rig.media.cut(DRAINING_MS)
  const before = rig.media.video!.id
  await rig.watchLayers()
  const [anew] = await rig.media.consume(true)
  rig.media.resume(anew!.consumer_id)
  t.not(rig.media.video!.id, before)
  t.true(rig.media.video!.paused)
  await until(() => rig.media.video!.paused === false, 'the new one plays')
})
