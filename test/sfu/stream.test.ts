import test from 'ava'
import { BondedSender } from '../../agent/sender/bonded-sender.ts'
import { play, readSlices } from '../support/clip-player.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { startHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { accessUnitTypes } from '../support/rtp-timeline.ts'
import { until } from '../support/until.ts'
import { type ReceivedTrack, WeriftViewer } from '../support/werift-viewer.ts'

const IDR = 5

const open = (track: ReceivedTrack): boolean => !track.closed
const portOf = (viewer: WeriftViewer): unknown => viewer.joins[0]?.value.transport.ice_candidates[0]?.['port']

test('streams that nobody sends yet are spread over the workers', async (t) => {
  await using hub = await startHub([{ streamId: 'cam-1' }, { streamId: 'cam-2' }], { workers: 2 })
  await using first = await WeriftViewer.open(hub.url, 'cam-1')
  await using second = await WeriftViewer.open(hub.url, 'cam-2')
  await using third = await WeriftViewer.open(hub.url, 'cam-1')
  t.not(portOf(first), portOf(second))
  t.is(portOf(first), portOf(third))
})

test('a second rendition gives viewers new consumers on the same transport, also those who just join', async (t) => {
  await using hub = await startHub([{ streamId: 'cam-1', streamClass: 'director' }], { workers: 2 })
  const stream = hub.streams.get('cam-1')!
  await using viewer = await WeriftViewer.open(hub.url, 'cam-1')
  await using one = await startClipSender(stream, { path: await generateMedia('baseline', { seconds: 30 }) })
  const [video, audio] = [await viewer.track('video'), await viewer.track('audio')]
  await one.kill()
  await using _two = await startClipSender(stream, {
    path: await generateMedia('two-renditions', { seconds: 30 }),
  })
  await until(() => video.closed && audio.closed, 'the old consumers are closed')
  // The lane is being rebuilt right now: joins at that moment must not get dead producers.
  await using joining = new AsyncDisposableStack()
  const others = await Promise.all(
    Array.from({ length: 8 }, async () => joining.use(await WeriftViewer.open(hub.url, 'cam-1'))),
  )
  for (const one of [viewer, ...others]) {
    const [newVideo, newAudio] = [await one.track('video'), await one.track('audio')]
    const { timestamp } = newVideo.packets[0]!
    await until(() => newVideo.packets.some((packet) => packet.timestamp !== timestamp), 'a whole picture')
    t.true(accessUnitTypes(newVideo.packets, 0).includes(IDR))
    t.true(newAudio.packets.length > 0)
    t.is(one.tracks.filter(open).length, 2, 'one consumer of each kind')
  }
  t.is(viewer.joins.length, 1)
  t.deepEqual(viewer.rejoins, [])
  t.deepEqual(new Set(others.map(portOf)), new Set([portOf(viewer)]))
  t.is(await hub.metric('errors_total{stage="signaling",kind="consume"}'), 0)
})

test('a fault that is mended within a second is refused and live again', async (t) => {
  await using hub = await startHub([{ streamId: 'cam-1', streamClass: 'director' }], { workers: 1 })
  const { ports, passphrase, username, password } = hub.streams.get('cam-1')!
  const good = await readSlices(await generateMedia('baseline', { seconds: 30 }))
  const bad = await readSlices(await generateMedia('bframes', { seconds: 4 }))
  await using viewer = await WeriftViewer.open(hub.url, 'cam-1')
  const authenticated = Promise.withResolvers<void>()
  await using sender = await BondedSender.open({
    links: ports.map((port) => ({ host: '127.0.0.1', port })),
    mode: 'duplicate',
    bufferMs: 200,
    aesBits: 256,
    passphrase,
    username,
    password,
    onLog: ({ message }) => {
      if (message.includes('receiver name is now')) authenticated.resolve()
    },
  })
  await authenticated.promise
  const write = (ts: Buffer): void => sender.write(ts)
  const { signal } = new AbortController()
  await play(good.slice(0, 30), write, { signal })
  await until(() => viewer.state === 'live', 'live')
  await play(bad.slice(0, 10), write, { signal })
  await until(() => viewer.state === 'refused', 'refused')
  await play(good.slice(30, 90), write, { signal, fromMs: good[30]!.atMs })
  await until(() => viewer.state === 'live', 'live again')
  const states = viewer.states.map(({ value }) => value.state)
  t.deepEqual(states.slice(0, 3), ['waiting', 'live', 'refused'])
  const video = await viewer.track('video')
  t.true(video.packets.at(-1)!.at > viewer.states.at(-1)!.at - 1000)
})
