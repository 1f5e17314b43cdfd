import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { programSchema } from '../../common/wire/programs-api.ts'
import { KEY_BYTES, readClip } from '../bench/paced-clip.ts'
import { cardClip } from '../support/card-clip.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import type { ImpairedLink } from '../support/impaired-link.ts'
import { steps, TICKS_PER_MS } from '../support/rtp-timeline.ts'
import { openTwoPaths, PATHS } from '../support/two-paths.ts'
import { freeUdpRange } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'
import { type ReceivedPacket, WeriftViewer } from '../support/werift-viewer.ts'

/**
 * One encoder's pictures come over two paths, each with its own sender, ports and ingress. A program merges them: a viewer of
 * the program loses nothing of what either path brings.
 */

/** The second path is slower: what it brings comes when the first path's copy has left. */
const DELAY_MS = { 'path-a': 10, 'path-b': 35 } as const
const SECONDS = 90
const BUFFER_MS = 200
const FRAME_MS = 1000 / 30
/** Pictures from one keyframe of the clip to the next. */
const GOP = 15
/** RFC 6184 section 5.8. */
const FU_A = 28

const resources = new AsyncDisposableStack()
const links = new Map<string, ImpairedLink>()
let hub: TestHub
let viewer: WeriftViewer
/** The number of each picture by the bytes at its end. */
let numbers: ReadonlyMap<string, number>

test.before(async () => {
  const path = await cardClip({ name: 'both', seconds: SECONDS, kbps: 1200, gop: GOP, noise: true })
  const pictures = (await readClip(path)).flatMap(({ key }) => key ?? [])
  numbers = new Map(pictures.map((key, number) => [key, number]))
  const port = await freeUdpRange(20)
  hub = resources.use(await startHub([], { workers: 1, args: ['--rist-ports', `${port}-${port + 19}`] }))
  // A buffer that is fitted to its path again costs that path a third of a second, whenever it happens.
  await hub.putPolicy({ classes: { director: { rist_buffer: { min_ms: BUFFER_MS, max_ms: BUFFER_MS } } } })
  const made = await hub.api('POST', '/v1/programs', { program_id: 'both', inputs: PATHS, auto: true })
  if (made.status !== 201) throw new Error(JSON.stringify(made.body))
  const impairments = PATHS.map((id) => ({ delayMs: DELAY_MS[id] }))
  // Not again from its beginning: the numbers tell what is missing.
  const clip = { path, streamClass: 'director', bufferMs: BUFFER_MS, repeat: false } as const
  const opened = resources.use(await openTwoPaths(hub, { ...clip, impairments }))
  for (const [index, id] of PATHS.entries()) links.set(id, opened.links[index]!)
  viewer = resources.use(await WeriftViewer.open(hub.url, 'both', { token: hub.adminToken }))
  await viewer.track('video')
  await viewer.track('audio')
  await merged()
})

test.after.always(() => resources.disposeAsync())

const clear = (id: (typeof PATHS)[number]) => links.get(id)!.setBoth({ delayMs: DELAY_MS[id] })
const program = async () => programSchema.parse((await hub.api('GET', '/v1/programs/both')).body)
const merged = () =>
  until(async () => (await program()).merged.length === PATHS.length, 'both paths are merged', 20_000)

/** Numbers of the pictures in these packets, in the order in which they came; -1 for what is none of the clip's. */
function pictureNumbers(packets: readonly ReceivedPacket[]): number[] {
  const found: number[] = []
  let end: Buffer = Buffer.alloc(0)
  for (const { payload, marker } of packets) {
    const isFragment = (payload[0]! & 0x1f) === FU_A
    end = Buffer.concat([end, isFragment ? payload.subarray(2) : payload]).subarray(-KEY_BYTES)
    if (marker) found.push(numbers.get(end.toString('hex')) ?? -1)
  }
  return found
}

/** Packets of the program's viewer from now on, when `during` is over. */
async function watched(during: () => Promise<void>) {
  const video = await viewer.track('video')
  const audio = await viewer.track('audio')
  const from = { video: video.packets.length, audio: audio.packets.length }
  await during()
  return { video: video.packets.slice(from.video), audio: audio.packets.slice(from.audio) }
}

function nothingIsMissing(t: ExecutionContext, { video, audio }: Awaited<ReturnType<typeof watched>>): void {
  const pictures = pictureNumbers(video)
  t.true(pictures.length > 100)
  t.deepEqual(
    pictures.flatMap((number, at) =>
      at > 0 && number !== pictures[at - 1]! + 1 ? [[pictures[at - 1], number]] : [],
    ),
    [],
    'each picture follows the one before',
  )
  const seen = steps(video, TICKS_PER_MS.video)
  t.true(seen.every(({ sequence }) => sequence === 1))
  t.true(seen.every(({ mediaMs }) => mediaMs === 0 || Math.abs(mediaMs - FRAME_MS) < 0.1))
  const heard = steps(audio, TICKS_PER_MS.audio)
  t.true(heard.every(({ sequence }) => sequence === 1))
  t.true(
    heard.every(({ mediaMs }) => Math.abs(mediaMs - 20) < 0.1),
    JSON.stringify(heard.map(({ mediaMs }) => mediaMs).filter((ms) => Math.abs(ms - 20) >= 0.1)),
  )
}

for (const cut of PATHS)
  test.serial(`a cut of ${cut} costs no picture and no sound`, async (t) => {
    t.timeout(60_000)
    await merged()
    const packets = await watched(async () => {
      await setTimeout(1000)
      await links.get(cut)!.setBoth({ blackhole: true })
      await setTimeout(3000)
      await clear(cut)
      await setTimeout(1000)
      await until(
        async () => (await program()).sources.every(({ state }) => state === 'healthy'),
        'both are back',
        20_000,
      )
      await merged()
      await setTimeout(1000)
    })
    nothingIsMissing(t, packets)
    const [longest] = steps(packets.video, TICKS_PER_MS.video)
      .map(({ arrivalMs }) => arrivalMs)
      .sort((a, b) => b - a)
    t.log(`longest pause ${longest!.toFixed(0)} ms of ${packets.video.length} packets`)
  })

test.serial('what either path brings is shown, whatever is lost on the other', async (t) => {
  t.timeout(90_000)
  await merged()
  await using own = new AsyncDisposableStack()
  const alone = await Promise.all(
    PATHS.map(async (id) => own.use(await WeriftViewer.open(hub.url, id, { token: hub.adminToken }))),
  )
  const tracks = await Promise.all(alone.map((each) => each.track('video')))
  const from = tracks.map(({ packets }) => packets.length)
  const { video } = await watched(async () => {
    for (const id of PATHS) await links.get(id)!.setBoth({ delayMs: DELAY_MS[id], loss: 0.1 })
    // Gaps that no recovery fills, on one path after the other.
    for (let round = 0; round < 6; round += 1) {
      const id = PATHS[round % 2]!
      await links.get(id)!.setBoth({ blackhole: true })
      await setTimeout(450)
      await links.get(id)!.setBoth({ delayMs: DELAY_MS[id], loss: 0.1 })
      await setTimeout(1500)
    }
    for (const id of PATHS) await clear(id)
    await setTimeout(500)
  })
  const brought = new Set<number>()
  for (const [index, { packets }] of tracks.entries()) {
    const pictures = pictureNumbers(packets.slice(from[index]))
    for (const number of pictures) brought.add(number)
    const lost = missingIn(pictures)
    t.log(`${PATHS[index]} alone lost ${lost.length} of ${pictures.length + lost.length} pictures`)
    t.true(lost.length > 20, 'its own viewers miss pictures')
  }
  const pictures = pictureNumbers(video)
  const lost = missingIn(pictures)
  t.log(`both together lost ${lost.length} of ${pictures.length + lost.length}`)
  t.deepEqual(
    lost.filter((number) => brought.has(number) && !followsHoleOfBoth(number, lost, brought)),
    [],
  )
  t.false(pictures.includes(-1))
  // A hole in the numbers says that something is lost. Of what an ingress does not see itself, some stays unseen.
  const seen = steps(video, TICKS_PER_MS.video)
  t.true(
    seen.every(({ sequence, mediaMs }) => sequence === 1 || (sequence === 2 && mediaMs > FRAME_MS * 1.5)),
  )
  const unseen = seen.filter(({ sequence, mediaMs }) => sequence === 1 && mediaMs > FRAME_MS * 1.5)
  t.true(unseen.length <= 2, `${unseen.length} gaps without a hole`)
})

/**
 * Whether a picture was left out because one before it came by neither path: what follows on the lane can be shown from
 * its next keyframe on, or from the one after that if the lane fell silent meanwhile.
 */
function followsHoleOfBoth(number: number, lost: readonly number[], brought: ReadonlySet<number>): boolean {
  for (let before = number - 1; lost.includes(before) && number - before <= 2 * GOP; before -= 1)
    if (!brought.has(before)) return true
  return false
}

/** Numbers that are left out between the first and the last. */
function missingIn(pictures: readonly number[]): number[] {
  const seen = new Set(pictures)
  const [first = 0] = pictures
  return Array.from({ length: pictures.at(-1)! - first }, (_, at) => first + at).filter(
    (each) => !seen.has(each),
  )
}
