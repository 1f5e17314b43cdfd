import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import type { EncoderConfig } from '../../../agent/encoder/encoder-protocol.ts'
import { GstreamerEncoder } from '../../../agent/encoder/gstreamer-encoder.ts'
import { captureTimeOfWallClockPts } from '../../../agent/ts-stamper.ts'
import { createLogger } from '../../../common/logger.ts'
import { encoderClip } from '../../support/encoder-clip.ts'
import { startRtspCamera } from '../../support/rtsp-camera.ts'
import { TsReader } from '../../support/ts-reader.ts'
import { freeUdpPorts } from '../../support/udp-ports.ts'
import { until } from '../../support/until.ts'
import { plugCamera, preloadCameras, removeCameras } from '../../support/v4l2-camera.ts'

const SMALL = 0x100
const LARGE = 0x101
const SOUND = { source: { kind: 'embedded' }, kbps: 64, gain_db: 0 } as const

test.before(preloadCameras)
test.after.always(removeCameras)

async function startEncoder(picture: EncoderConfig['picture'], more: Partial<EncoderConfig> = {}) {
  const reader = new TsReader()
  const chunks: Buffer[] = []
  const encoder = await GstreamerEncoder.start({
    config: {
      type: 'start',
      picture,
      sound: null,
      fps: 30,
      renditions: [
        { width: 320, height: 180 },
        { width: 640, height: 360 },
      ],
      pass_through: 'auto',
      gop_frames: 300,
      profile: 'baseline',
      target_kbps: 4000,
      ...more,
    },
    onData: (chunk) => {
      chunks.push(chunk)
      reader.push(chunk)
    },
    logger: createLogger('silent'),
  })
  /** How long ago the newest picture of a rendition was captured, ms. */
  const ageMs = (pid: number): number =>
    Date.now() - captureTimeOfWallClockPts(reader.units(pid).at(-1)!.pts, Date.now())
  return { encoder, reader, chunks, ageMs, [Symbol.asyncDispose]: () => encoder[Symbol.asyncDispose]() }
}

type Started = Awaited<ReturnType<typeof startEncoder>>

/** Both renditions come, and go on. */
async function picturesOf({ encoder, reader }: Started): Promise<void> {
  const [small, large] = [reader.units(SMALL).length, reader.units(LARGE).length]
  await until(() => reader.units(SMALL).length > small + 20, 'pictures of the small one')
  await until(() => reader.units(LARGE).length > large + 20, 'pictures of the large one')
  await until(() => encoder.state.input === 'live', 'live')
}

/** A camera of the network, by ffmpeg, which waits for a caller. */
function srtCamera(path: string, port: number, more = ''): ChildProcess & AsyncDisposable {
  const url = `srt://127.0.0.1:${port}?mode=listener${more}`
  const args = ['-hide_banner', '-loglevel', 'error', '-re', '-stream_loop', '-1', '-i', path, '-c', 'copy']
  const child = spawn('ffmpeg', [...args, '-f', 'mpegts', url], {
    stdio: 'ignore',
    env: { ...process.env, LD_PRELOAD: '' },
  })
  return Object.assign(child, {
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  })
}

const CLIP = { size: '640x360', fps: 30, gop: 30, profile: 'baseline', sound: 'aac', seconds: 3 } as const
const H264 =
  'videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 ! x264enc tune=zerolatency bitrate=1000 key-int-max=30 speed-preset=ultrafast ! video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96'
const ALAW = 'audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay1 pt=8'

for (const [format, element] of [
  ['raw', 'x264enc'],
  ['mjpeg', 'x264enc'],
  ['h264', 'pass-through'],
  ['h264-b', 'x264enc'],
] as const)
  test.serial(`a capture device that delivers ${format} is sent by ${element}`, async (t) => {
    using camera = await plugCamera(`table-${format}`, [format])
    const asked = format === 'h264-b' ? 'h264' : format
    await using started = await startEncoder({ kind: 'v4l2', device: camera.device, format: asked })
    await picturesOf(started)
    await until(() => started.encoder.state.element === element, element)
    t.deepEqual(started.reader.issues, [])
  })

test.serial('pictures have the time at which the device captured them', async (t) => {
  using camera = await plugCamera('late', ['mjpeg'])
  camera.become('ok', 400)
  await using started = await startEncoder({ kind: 'v4l2', device: camera.device })
  await picturesOf(started)
  const age = started.ageMs(LARGE)
  t.true(age >= 400 && age < 900, `${age} ms`)
})

for (const format of ['raw', 'h264'] as const)
  test.serial(`of 30 pictures of ${format} a second 10 are encoded where 10 are asked for`, async (t) => {
    using camera = await plugCamera(`thin-${format}`, [format])
    const source = { kind: 'v4l2', device: camera.device, format } as const
    await using started = await startEncoder(source, { fps: 10, pass_through: 'never' })
    await picturesOf(started)
    for (const pid of [SMALL, LARGE]) {
      const units = started.reader.units(pid)
      const fps = (units.length - 1) / ((units.at(-1)!.pts - units[0]!.pts) / 90_000)
      t.true(fps > 8 && fps < 11, `${fps} pictures a second`)
    }
  })

test.serial(
  'a camera that is pulled, or delivers nothing of use, is told as that, and returns',
  async (t) => {
    using camera = await plugCamera('pulled', ['mjpeg'])
    await using started = await startEncoder({ kind: 'v4l2', device: camera.device })
    const { encoder } = started
    await picturesOf(started)
    const troubles = [
      {
        begin: () => {
          camera.become('gone')
          camera.plug(false)
        },
        says: /there is no/,
      },
      {
        begin: () => camera.become('slow'),
        says: /delivers \d\.\d pictures a second where 30 are asked for/,
      },
      { begin: () => camera.become('garbage'), says: /cannot be decoded/ },
      { begin: () => camera.become('silent'), says: /stopped delivering|no picture comes/ },
    ]
    for (const { begin, says } of troubles) {
      begin()
      await until(() => encoder.state.input === 'no_input', String(says))
      await until(() => says.test(encoder.state.reason ?? ''), `${says}, not ${encoder.state.reason}`)
      camera.become('ok')
      if (says.source.includes('there is no')) camera.plug(true)
      const backAt = performance.now()
      await picturesOf(started)
      t.log(`${says}: back after ${Math.round(performance.now() - backAt)} ms`)
    }
    t.is(encoder.state.restarts, 0)
  },
)

test.serial('a camera that is not there at the start is waited for', async (t) => {
  using camera = await plugCamera('later', ['raw'])
  camera.plug(false)
  await using started = await startEncoder({ kind: 'v4l2', device: camera.device })
  await until(() => started.encoder.state.input === 'no_input', 'no input')
  t.is(started.encoder.state.reason, `there is no ${camera.device}`)
  camera.plug(true)
  await picturesOf(started)
})

test.serial('what may only be sent as it comes is refused where browsers would not show it', async (t) => {
  using camera = await plugCamera('b-frames', ['h264-b'])
  const source = { kind: 'v4l2', device: camera.device, format: 'h264' } as const
  await using started = await startEncoder(source, {
    pass_through: 'always',
    renditions: [{ width: 640, height: 360 }],
  })
  await until(() => started.encoder.state.input === 'no_input', 'no input')
  t.regex(started.encoder.state.reason!, /B-frames/)
  t.is(started.reader.units(SMALL).length, 0)
})

test.serial('a source that exceeds the bitrate is encoded anew from an IDR on', async (t) => {
  using camera = await plugCamera('large', ['h264'])
  await using started = await startEncoder({ kind: 'v4l2', device: camera.device, format: 'h264' })
  const { encoder, reader } = started
  await picturesOf(started)
  t.is(encoder.state.element, 'pass-through')
  encoder.setTarget(500)
  await until(() => encoder.state.element === 'x264enc', 'encoded')
  const from = reader.units(LARGE).length
  await until(() => reader.units(LARGE).length > from + 60, 'more pictures')
  t.true(reader.kbps(from) < 700, `${reader.kbps(from)} kb/s`)
  t.deepEqual(reader.issues, [])
})

test.serial('a camera by RTSP is sent as it comes, with sound, and returns after its end', async (t) => {
  const login = { username: 'viewer', password: 'p"a ss!' }
  const camera = { launch: `${H264} ${ALAW}`, login }
  const first = await startRtspCamera(camera)
  const source = { kind: 'rtsp', url: first.url, ...login } as const
  await using started = await startEncoder(source, { sound: SOUND })
  const { encoder, reader } = started
  try {
    await picturesOf(started)
    await until(() => reader.opus > 20, 'sound')
    t.is(encoder.state.element, 'pass-through')
  } finally {
    await first[Symbol.asyncDispose]()
  }
  await until(() => encoder.state.input === 'no_input', 'no input')
  await using _ = await startRtspCamera({ ...camera, port: first.port })
  await picturesOf(started)
  const sound = reader.opus
  await until(() => reader.opus > sound + 20, 'sound again')
  t.is(encoder.state.restarts, 0)
})

test.serial('a camera by RTSP that wants a password says so', async (t) => {
  await using camera = await startRtspCamera({
    launch: H264,
    login: { username: 'viewer', password: 'right' },
  })
  await using started = await startEncoder({
    kind: 'rtsp',
    url: camera.url,
    username: 'viewer',
    password: 'wrong',
  })
  await until(() => started.encoder.state.input === 'no_input', 'no input')
  t.regex(started.encoder.state.reason!, /Unauthorized/i)
  t.notRegex(started.encoder.state.reason!, /wrong/)
})

test.serial('a camera by SRT is sent as it comes, with the time of arrival', async (t) => {
  const [port] = await freeUdpPorts(1)
  const clip = await encoderClip(CLIP, 7)
  await using _ = srtCamera(clip, port!, '&passphrase=0123456789')
  await using started = await startEncoder(
    { kind: 'srt', url: `srt://127.0.0.1:${port}`, passphrase: '0123456789' },
    { sound: SOUND },
  )
  await picturesOf(started)
  t.is(started.encoder.state.element, 'pass-through')
  await until(() => started.reader.opus > 20, 'sound')
  // ffmpeg multiplexes with times 0.7 s ahead of the clock.
  const age = started.ageMs(LARGE)
  t.true(age >= 0 && age < 1000, `${age} ms`)
})

test.serial('a file plays in a loop, and one that is no media says so', async (t) => {
  const clip = await encoderClip({ ...CLIP, seconds: 2 }, 8)
  await using started = await startEncoder({ kind: 'file', path: clip, loop: true }, { sound: SOUND })
  const { encoder, reader } = started
  await until(() => reader.units(LARGE).length > 150, 'more pictures than the file has')
  await until(() => reader.units(SMALL).length > 150, 'of the small one too')
  t.true(reader.opus > 100)
  const pts = reader.units(LARGE).map((unit) => unit.pts)
  t.true(pts.every((one, at) => at === 0 || one > pts[at - 1]!))
  t.is(encoder.state.element, 'pass-through')

  const folder = await mkdtemp(join(tmpdir(), 'lanecast-file-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'text "with quotes".mp4')
  await writeFile(path, 'this is no film')
  await using other = await startEncoder({ kind: 'file', path, loop: true })
  await until(() => other.encoder.state.input === 'no_input', 'no input')
  t.truthy(other.encoder.state.reason)
})

test.serial('a sound card that is missing stops no picture, and gain changes while it encodes', async (t) => {
  await using silent = await startEncoder(
    { kind: 'test-card', name: 'no card' },
    { sound: { source: { kind: 'alsa', device: 'hw:CARD=none' }, kbps: 64, gain_db: 0 } },
  )
  await picturesOf(silent)
  t.is(silent.reader.opus, 0)

  const tone = { source: { kind: 'tone' }, kbps: 64, gain_db: 0 } as const
  await using loud = await startEncoder({ kind: 'test-card', name: 'tone' }, { sound: tone })
  const { encoder, reader, chunks } = loud
  const volumeOfNext = async (): Promise<number> => {
    // What was on its way is heard before.
    const skipped = reader.opus + 20
    await until(() => reader.opus > skipped, 'sound')
    chunks.length = 0
    const from = reader.opus
    await until(() => reader.opus > from + 60, 'more sound')
    return meanVolume(t, Buffer.concat(chunks))
  }
  const before = await volumeOfNext()
  encoder.setGain(-20)
  const after = await volumeOfNext()
  t.true(Math.abs(before - after - 20) < 2, `${before} dB, then ${after} dB`)
})

/** dB of full scale. */
async function meanVolume(t: { teardown(end: () => unknown): void }, ts: Buffer): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-volume-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'sound.ts')
  await writeFile(path, ts)
  const args = ['-hide_banner', '-nostdin', '-i', path, '-vn', '-af', 'volumedetect', '-f', 'null', '-']
  const { stderr } = await promisify(execFile)('ffmpeg', args)
  return Number(/mean_volume: (-?[\d.]+) dB/.exec(stderr)![1])
}
