import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { z } from 'zod'
import { streamStateSchema } from '../../common/wire/stream.ts'
import { depacketizeH264 } from '../sfu/ingress/rtp-depacketizer.ts'
import { Chromium } from '../support/chromium.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { cutPes, picturesOf } from '../support/pes-cutter.ts'
import { intrude } from '../support/rist-intruder.ts'
import { until } from '../support/until.ts'
import { textOf, untilState } from '../support/watch-page.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

/** Streams as other encoders make them, through librist and the hub to a viewer. */

const VIDEO_PID = 0x100
const NULL_PID = 0x1fff
const AUDIO_PID = 0x101

let hub: TestHub
const resources = new AsyncDisposableStack()

test.before(async () => {
  hub = resources.use(
    await startHub(
      ['sliced', 'slow', 'stopping', 'surround'].map((streamId) => ({
        streamId,
        streamClass: 'record' as const,
      })),
    ),
  )
})

test.after.always(() => resources.disposeAsync())

/** The packets of a PID become null packets. */
function without(ts: Buffer, pid: number): Buffer {
  for (let at = 0; at < ts.length; at += 188)
    if ((ts.readUInt16BE(at + 1) & 0x1fff) === pid) ts.writeUInt16BE(NULL_PID, at + 1)
  return ts
}

const digest = (nals: readonly Buffer[]): string =>
  nals.map((nal) => createHash('sha1').update(nal).digest('base64')).join(' ')

/** What the API says of a stream. */
async function listed(streamId: string): Promise<z.infer<typeof streamStateSchema> | undefined> {
  const schema = z.object({ streams: z.array(streamStateSchema.extend({ stream_id: z.string() })) })
  const { streams } = schema.parse(await (await fetch(`${hub.url}/v1/streams`)).json())
  return streams.find(({ stream_id }) => stream_id === streamId)
}

test('a PES packet for each slice: viewers get every picture whole', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-slices-'))
  resources.defer(() => rm(folder, { recursive: true }))
  const ts = await readFile(await generateMedia('high-slices', { seconds: 20, size: '640x360', gop: 30 }))
  const path = join(folder, 'slices.ts')
  await writeFile(path, cutPes(ts, 'slices'))
  await using viewer = await WeriftViewer.open(hub.url, 'sliced')
  await using _sender = await startClipSender(hub.streams.get('sliced')!, { path })
  const { packets } = await viewer.track('video')
  await until(() => packets.filter(({ marker }) => marker).length > 90, 'three seconds')
  const received = depacketizeH264(packets).map(({ nals }) => digest(nals))
  const sent = picturesOf(ts).map(digest)
  const first = sent.indexOf(received[0]!)
  t.true(first >= 0)
  t.deepEqual(received, sent.slice(first, first + received.length))
  t.deepEqual(
    viewer.states.map(({ value }) => value.state),
    ['waiting', 'live'],
  )
})

test('a picture a second without sound is live all the time', async (t) => {
  const clip = await generateMedia('baseline', { seconds: 20, fps: 1, gop: 1 })
  await using viewer = await WeriftViewer.open(hub.url, 'slow')
  const logged = hub.log.length
  await using _sender = await intrude(hub.streams.get('slow')!, clip, {}, (ts) => without(ts, AUDIO_PID))
  await until(() => viewer.state === 'live', 'live')
  await delay(7000)
  t.deepEqual(
    viewer.states.map(({ value }) => value.state),
    ['waiting', 'live'],
  )
  t.deepEqual(
    hub.log.slice(logged).filter(({ stream_id, msg }) => stream_id === 'slow' && /lost/.test(String(msg))),
    [],
  )
})

test('pictures that stop while sound goes on are told as that, and are back by themselves', async (t) => {
  const clip = await generateMedia('baseline', { seconds: 60, kbps: 500 })
  await using viewer = await WeriftViewer.open(hub.url, 'stopping')
  await using chromium = await Chromium.launch()
  await using watched = await chromium.open(`${hub.url}/watch/stopping`)
  let hidden = false
  const spoil = (ts: Buffer): Buffer => (hidden ? without(ts, VIDEO_PID) : ts)
  await using _sender = await intrude(hub.streams.get('stopping')!, clip, {}, spoil)
  await until(() => viewer.state === 'live', 'live')
  await delay(1500)
  hidden = true
  await until(() => viewer.state === 'no_picture', 'no picture')
  t.regex(viewer.states.at(-1)?.value.reason ?? '', /No pictures arrive.*sound/)
  t.like(await listed('stopping'), { state: 'no_picture' })
  t.truthy(hub.log.find(({ stream_id, msg }) => stream_id === 'stopping' && msg === 'stream is no picture'))
  await untilState(watched.page, 'no_picture')
  t.regex(await textOf(watched.page, 'notice'), /No picture.*sound/s)
  const { packets } = await viewer.track('audio')
  const sound = packets.length
  await until(() => packets.length > sound + 20, 'sound meanwhile')
  hidden = false
  await until(() => viewer.state === 'live', 'live again')
  await untilState(watched.page, 'live')
  t.deepEqual(
    viewer.states.map(({ value }) => value.state),
    ['waiting', 'live', 'no_picture', 'live'],
  )
})

test('sound that is left out is told with the pictures', async (t) => {
  const clip = await generateMedia('surround', { seconds: 20 })
  await using viewer = await WeriftViewer.open(hub.url, 'surround')
  await using _sender = await startClipSender(hub.streams.get('surround')!, { path: clip })
  await until(() => viewer.state === 'live', 'live')
  t.regex(viewer.states.at(-1)?.value.sound_refused ?? '', /left out.*multichannel Opus/)
  t.truthy((await listed('surround'))?.sound_refused)
})
