import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'ava'
import { namedInputs } from '../../../agent/hardware/media/media-inputs.ts'
import { readSoundInputs } from '../../../agent/hardware/media/sound-inputs.ts'
import { readVideoInputs } from '../../../agent/hardware/media/video-inputs.ts'
import { createLogger } from '../../../common/logger.ts'
import { nodeConfigSchema } from '../../../common/wire/node-config.ts'
import { mediaInputSchema } from '../../../common/wire/node-report.ts'

/** Files of a machine: text, or `-> where` for a link. */
async function machine(files: Readonly<Record<string, string>>) {
  const root = await mkdtemp(join(tmpdir(), 'machine-'))
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name)
    await mkdir(dirname(path), { recursive: true })
    if (content.startsWith('-> ')) await symlink(content.slice(3), path)
    else await writeFile(path, content)
  }
  return {
    roots: { sys: join(root, 'sys'), dev: join(root, 'dev'), proc: join(root, 'proc') },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  }
}

const logger = createLogger('silent')
const CAMERA = { name: 'HD Pro Webcam', formats: [{ fourcc: 'MJPG', width: 1280, height: 720, rates: [30] }] }

test('cameras have names that survive a replug, as far as there are any', async (t) => {
  await using board = await machine({
    ...Object.fromEntries([0, 1, 2, 3, 10].map((node) => [`sys/class/video4linux/video${node}/name`, 'x'])),
    'sys/class/video4linux/v4l-subdev0/name': 'x',
    ...Object.fromEntries([0, 1, 2, 3, 10].map((node) => [`dev/video${node}`, ''])),
    'dev/v4l/by-id/usb-046d_HD_Pro-video-index0': '-> ../../video0',
    'dev/v4l/by-path/platform-xhci-usb-0:1.2:1.0-video-index0': '-> ../../video0',
    'dev/v4l/by-path/platform-xhci-usb-0:1.3:1.0-video-index0': '-> ../../video2',
  })
  const { dev } = board.roots
  const asked: string[] = []
  const inputs = await readVideoInputs(board.roots, logger, async (path) => {
    asked.push(path.slice(dev.length))
    if (path.endsWith('video1')) return null
    if (path.endsWith('video3')) throw new Error('ENODEV')
    return CAMERA
  })
  t.deepEqual(asked, ['/video0', '/video1', '/video2', '/video3', '/video10'])
  t.deepEqual(
    inputs.map(({ device }) => device.slice(dev.length)),
    [
      '/v4l/by-id/usb-046d_HD_Pro-video-index0',
      '/v4l/by-path/platform-xhci-usb-0:1.3:1.0-video-index0',
      '/video10',
    ],
  )
  t.deepEqual(inputs[0]!.formats, [{ format: 'mjpeg', width: 1280, height: 720, rates: [30] }])
})

test('formats are told by what becomes of them', async (t) => {
  await using board = await machine({ 'sys/class/video4linux/video0/name': 'x', 'dev/video0': '' })
  const fourccs = ['YUYV', 'NV12', 'UYVY', 'BGR3', 'GREY', 'MJPG', 'JPEG', 'H264', 'HEVC', 'VP80', 'Z16']
  const formats = fourccs.map((fourcc) => ({ fourcc, width: null, height: null, rates: [] }))
  const [input] = await readVideoInputs(board.roots, logger, async () => ({ name: 'x', formats }))
  t.deepEqual(
    input!.formats.map(({ format }) => format),
    ['raw', 'mjpeg', 'h264', 'hevc', 'other'],
  )
  const rates = Array.from({ length: 50 }, (_, at) => at + 1)
  const many = Array.from({ length: 200 }, (_, at) => ({ fourcc: 'MJPG', width: at + 1, height: 2, rates }))
  const [bounded] = await readVideoInputs(board.roots, logger, async () => ({
    name: 'x'.repeat(31),
    formats: many,
  }))
  t.notThrows(() => mediaInputSchema.parse(bounded))
  t.like(bounded!.formats[0], { width: 200 })
  t.is(bounded!.formats[0]!.rates[0], 50)
  const twice = [
    { fourcc: 'YUYV', width: 640, height: 360, rates: [30] },
    { fourcc: 'NV12', width: 640, height: 360, rates: [60, 30] },
  ]
  const [merged] = await readVideoInputs(board.roots, logger, async () => ({ name: 'x', formats: twice }))
  t.deepEqual(merged!.formats, [{ format: 'raw', width: 640, height: 360, rates: [60, 30] }])
})

const CARDS = ` 0 [rockchiphdmi0  ]: rockchip-hdmi0 - rockchip-hdmi0
                      rockchip-hdmi0
 1 [C920           ]: USB-Audio - HD Pro Webcam C920
                      HD Pro Webcam C920 at usb-fc800000.usb-1.2, high speed
 7 [Loopback       ]: Loopback - Loopback
                      Loopback 1
`
const PCM = `00-00: fddf0000.i2s-i2s-hifi i2s-hifi-0 : fddf0000.i2s-i2s-hifi : playback 1
01-00: USB Audio : USB Audio : capture 1
07-00: Loopback PCM : Loopback PCM : playback 8 : capture 8
07-01: Loopback PCM : Loopback PCM : playback 8 : capture 8
09-00: gone : gone : capture 1
`
const STREAM = `HD Pro Webcam C920 at usb-fc800000.usb-1.2, high speed : USB Audio

Playback:
  Status: Stop
  Interface 1
    Rates: 96000

Capture:
  Status: Stop
  Interface 3
    Altset 1
    Format: S16_LE
    Channels: 2
    Rates: 16000
  Interface 3
    Altset 2
    Rates: 48000, 32000, 16000
`

test('sound cards that record are inputs, by the names of the cards', async (t) => {
  await using board = await machine({
    'proc/asound/cards': CARDS,
    'proc/asound/pcm': PCM,
    'proc/asound/card1/stream0': STREAM,
  })
  const inputs = await readSoundInputs(board.roots)
  t.deepEqual(
    inputs.map(({ device, label, formats: [format] }) => [device, label, format!.rates]),
    [
      ['hw:CARD=C920,DEV=0', 'HD Pro Webcam C920', [16_000, 32_000, 48_000]],
      ['hw:CARD=Loopback,DEV=0', 'Loopback', []],
      ['hw:CARD=Loopback,DEV=1', 'Loopback', []],
    ],
  )
  t.notThrows(() => inputs.map((input) => mediaInputSchema.parse(input)))
})

test('cameras by their address and files are those of the configuration', (t) => {
  const rtsp = { kind: 'rtsp', url: 'rtsp://10.0.0.9/main', username: 'u', password: 'secret' }
  const { broadcasts } = nodeConfigSchema.parse({
    broadcasts: [
      { stream_id: 'cam1', source: rtsp },
      { stream_id: 'cam2', source: rtsp },
      { stream_id: 'cam3', source: { kind: 'file', path: '/media/clip.ts' } },
      { stream_id: 'cam4', source: { kind: 'test-card' } },
    ],
  })
  const inputs = namedInputs({ broadcasts })
  t.deepEqual(inputs, [
    { kind: 'rtsp', device: 'rtsp://10.0.0.9/main', label: 'cam1', formats: [] },
    { kind: 'file', device: '/media/clip.ts', label: 'cam3', formats: [] },
  ])
  t.notThrows(() => inputs.map((input) => mediaInputSchema.parse(input)))
})

test('a machine without cameras and sound cards has no inputs', async (t) => {
  await using board = await machine({})
  t.deepEqual(await readSoundInputs(board.roots), [])
  t.deepEqual(await readVideoInputs(board.roots, logger), [])
})
