import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { depacketizeH264, toAnnexB } from '../sfu/ingress/rtp-depacketizer.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { type Encoder, encoderClip } from '../support/encoder-clip.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { laneFaults } from '../support/lane-faults.ts'
import { generateMedia } from '../support/media-generator.ts'
import { picturesOf } from '../support/pes-cutter.ts'
import { longestSilence } from '../support/rtp-timeline.ts'
import { TestProgram } from '../support/test-program.ts'
import { until } from '../support/until.ts'
import { type ReceivedPacket, WeriftViewer } from '../support/werift-viewer.ts'

/** Cuts between what other encoders send: the lane is one stream that decodes, whatever was on air before. */

const usual = { fps: 30, gop: 15, profile: 'high', sound: 'opus', seconds: 24 } as const
const ENCODERS: Readonly<Record<string, Encoder>> = {
  small: { ...usual, size: '640x360', fps: 25, profile: 'baseline', sound: 'aac' },
  large: { ...usual, size: '1920x1080', sound: 'aac-44100' },
  portrait: { ...usual, size: '360x640', profile: 'main', sound: 'opus-mono' },
  sliced: { ...usual, size: '1280x720', fps: 50, gop: 25, slices: 4 },
  once: { ...usual, size: '640x480', fps: 60, gop: 30, headers: 'once', sound: 'none' },
  sei: { ...usual, size: '854x480', headers: 'behind-sei' },
}
const NAMES = Object.keys(ENCODERS)
/** What can't be cut to now, and what is said of it. */
const ANSWERS = {
  slow: [/^healthy/, 'keyframe_late', /slow sent no keyframe within 4500 ms/],
  bframes: [/^refused.*B-frames/, 'input_not_live', /bframes is refused \(.*bframes=0/],
  radio: [/^absent it sends sound and no pictures/, 'input_not_live', /radio is absent \(it sends sound/],
} as const

let hub: TestHub
const owners = new Map<string, string>()
const resources = new AsyncDisposableStack()

test.before(async () => {
  hub = resources.use(
    await startHub(
      [...NAMES, ...Object.keys(ANSWERS), 'steady'].map((streamId) => ({
        streamId,
        links: 1,
        streamClass: 'record' as const,
      })),
      { workers: 1 },
    ),
  )
})

test.after.always(() => resources.disposeAsync())

const digest = (nals: readonly Buffer[]): string =>
  createHash('sha1').update(Buffer.concat(nals)).digest('base64')

async function send(name: string, encoder: Encoder, seed: number): Promise<void> {
  const path = await encoderClip(encoder, seed)
  for (const picture of picturesOf(await readFile(path))) owners.set(digest(picture.slice(-1)), name)
  resources.use(await startClipSender(hub.streams.get(name)!, { path, stamped: true, repeat: true }))
}

/** Names in turn, so that each follows each other once. */
function allPairs(names: readonly string[]): string[] {
  const turns = names.flatMap((one, index) => names.slice(index + 1).flatMap((other) => [one, other]))
  return [...turns, names[0]!]
}

/** Without pictures that were left unfinished. */
function wholePictures(packets: readonly ReceivedPacket[]): ReceivedPacket[] {
  const whole: ReceivedPacket[] = []
  let picture: ReceivedPacket[] = []
  for (const packet of packets) {
    const before = picture.at(-1)
    if (before && before.sequence !== ((packet.sequence - 1) & 0xffff)) picture = []
    picture.push(packet)
    if (!packet.marker) continue
    whole.push(...picture)
    picture = []
  }
  return whole
}

/** What ffmpeg has to say against a stream of access units. */
async function decodingFaults(stream: Buffer): Promise<string[]> {
  const ffmpeg = spawn('ffmpeg', ['-v', 'error', '-f', 'h264', '-i', 'pipe:0', '-f', 'null', '-'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  ffmpeg.stdin.on('error', () => {})
  ffmpeg.stdin.end(stream)
  const [said] = await Promise.all([text(ffmpeg.stderr), once(ffmpeg, 'close')])
  // What is said of times is of no account: there are none in such a file.
  return said.split('\n').filter((line) => line !== '' && !/^\[null|Last message repeated/.test(line))
}

test.serial('takes between all pairs of encoders', async (t) => {
  t.timeout(240_000)
  for (const [index, [name, encoder]] of Object.entries(ENCODERS).entries()) await send(name, encoder, index)
  await using program = await TestProgram.create(hub, {
    program_id: 'pairs',
    class: 'record',
    inputs: NAMES,
    threshold_ms: 5000,
  })
  await program.until(({ sources }) => sources.every(({ state }) => state === 'healthy'), 'all are healthy')
  const [first, ...turns] = allPairs(NAMES)
  await program.take(first!)
  await using viewer = await WeriftViewer.open(hub.url, program.id, {
    token: await hub.issueToken({ role: 'viewer' }),
  })
  const { packets } = await viewer.track('video')
  const sound = await viewer.track('audio')
  for (const name of turns) {
    await program.take(name)
    const seen = packets.length
    await until(() => packets.slice(seen).filter(({ marker }) => marker).length > 5, `pictures of ${name}`)
    await delay(100)
  }
  // A cut may come in the middle of a picture, which then looks unfinished.
  t.deepEqual(laneFaults(packets, 'video', { clockMs: 3000, holes: turns.length }), [])
  // A clip that starts over leaves a hole in its own sound, and AAC says its last samples twice.
  const faults = laneFaults(sound.packets, 'audio', { clockMs: 3000, holes: Number.POSITIVE_INFINITY })
  t.deepEqual(
    faults.filter((fault) => !/timestamp steps by (0|-6\.9\d*) ms/.test(fault)),
    [],
  )
  const units = depacketizeH264(wholePictures(packets))
  const shown = units.map(({ nals }) => owners.get(digest(nals.slice(-1))) ?? '?')
  const runs = shown.filter((name, index) => name !== shown[index - 1])
  t.deepEqual(runs, [first, ...turns])
  t.deepEqual(await decodingFaults(toAnnexB(units)), [])
})

test.serial('what can not be cut to is refused in words, and what is on air stays', async (t) => {
  t.timeout(120_000)
  const clips = {
    steady: await encoderClip({ ...usual, size: '640x360', sound: 'opus' }, 7),
    slow: await encoderClip({ ...usual, size: '640x360', gop: 450 }, 8),
    bframes: await generateMedia('bframes', { seconds: 30 }),
    radio: await generateMedia('audio-only', { seconds: 30 }),
  }
  const inputs = Object.keys(clips)
  await using senders = new AsyncDisposableStack()
  for (const [name, path] of Object.entries(clips))
    senders.use(await startClipSender(hub.streams.get(name)!, { path }))
  await using program = await TestProgram.create(hub, {
    program_id: 'words',
    class: 'record',
    inputs,
    threshold_ms: 5000,
  })
  const told = (id: string) => async () => {
    const { sources } = await program.status()
    const source = sources.find((each) => each.id === id)
    return ANSWERS[id as keyof typeof ANSWERS]?.[0].test(`${source?.state} ${source?.reason ?? ''}`)
  }
  for (const id of Object.keys(ANSWERS)) await until(told(id), `what is said of ${id}`, 40_000)
  await program.takeWhenHealthy('steady')
  const token = await hub.issueToken({ role: 'viewer' })
  await using viewer = await WeriftViewer.open(hub.url, program.id, { token })
  const { packets } = await viewer.track('video')
  for (const [id, [, code, words]] of Object.entries(ANSWERS)) {
    const { status, body } = await program.tryTake(id)
    t.is(status, 409)
    t.like(body, { error: { code } })
    t.regex(JSON.stringify(body), words)
  }
  const after = packets.length
  await until(() => packets.length > after + 30, 'pictures all the while')
  t.deepEqual(laneFaults(packets, 'video', { clockMs: 3000 }), [])
  t.true(longestSilence(packets, 90).arrivalMs < 2000)
  t.like(await program.status(), { on_air: 'steady', switches: 1 })
})
