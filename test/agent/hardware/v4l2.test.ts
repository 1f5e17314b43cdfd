import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import {
  type Ask,
  CAPABILITY,
  describeCaptureDevice,
  FORMAT,
  FRAME_INTERVAL,
  FRAME_SIZE,
  VIDIOC_ENUM_FMT,
  VIDIOC_ENUM_FRAMEINTERVALS,
  VIDIOC_ENUM_FRAMESIZES,
  VIDIOC_QUERYCAP,
} from '../../../agent/hardware/media/v4l2.ts'
import { plugCamera, preloadCameras, removeCameras } from '../../support/v4l2-camera.ts'

const run = promisify(execFile)
const READER = resolve(import.meta.dirname, '../../support/capture-device-main.ts')

test('a capture device says what it delivers, in the structures of the kernel’s own headers', async (t) => {
  await preloadCameras()
  t.teardown(removeCameras)
  using camera = await plugCamera('cam', ['raw', 'mjpeg', 'h264'])
  const read = async (device: string) => JSON.parse((await run(process.execPath, [READER, device])).stdout)
  const size = { width: 640, height: 360, rates: [30] }
  const { formats } = await read(camera.device)
  t.deepEqual(formats, [
    { fourcc: 'YUYV', ...size },
    { fourcc: 'MJPG', ...size },
    { fourcc: 'H264', ...size },
  ])
  camera.plug(false)
  t.regex((await read(camera.device)).failed, /ENOENT/)
  t.is(await read('/dev/null'), null, 'what is no capture device has no answer')
})

interface Driver {
  readonly capabilities: number
  readonly ofThisNode?: number
  readonly fourccs?: readonly string[]
  /** Sizes by index; a range has least and most. */
  readonly sizes?: readonly ({ width: number; height: number } | { most: readonly [number, number] })[]
  readonly intervals?: readonly ({ of: readonly [number, number] } | { range: readonly [number, number] })[]
}

/** A driver's answers, as the structures say them. */
function driver({ capabilities, ofThisNode = 0, fourccs = [], sizes = [], intervals = [] }: Driver): Ask {
  return (request, structure) => {
    if (request === VIDIOC_QUERYCAP) {
      structure.write('Field camera', CAPABILITY.card)
      structure.writeUInt32LE(capabilities >>> 0, CAPABILITY.capabilities)
      structure.writeUInt32LE(ofThisNode, CAPABILITY.ofThisNode)
      return true
    }
    const index = structure.readUInt32LE(0)
    if (request === VIDIOC_ENUM_FMT) {
      const fourcc = fourccs[index]
      if (fourcc) structure.write(fourcc, FORMAT.fourcc, 'latin1')
      return fourcc !== undefined
    }
    if (request === VIDIOC_ENUM_FRAMESIZES) {
      const size = sizes[index]
      if (!size) return false
      structure.writeUInt32LE('most' in size ? 3 : 1, FRAME_SIZE.type)
      if ('most' in size) {
        structure.writeUInt32LE(size.most[0], FRAME_SIZE.most)
        structure.writeUInt32LE(size.most[1], FRAME_SIZE.mostHeight)
      } else {
        structure.writeUInt32LE(size.width, FRAME_SIZE.width)
        structure.writeUInt32LE(size.height, FRAME_SIZE.height)
      }
      return true
    }
    const interval = request === VIDIOC_ENUM_FRAMEINTERVALS ? intervals[index] : undefined
    if (!interval) return false
    const [numerator, denominator] = 'of' in interval ? interval.of : interval.range
    structure.writeUInt32LE('of' in interval ? 1 : 2, FRAME_INTERVAL.type)
    structure.writeUInt32LE(numerator, FRAME_INTERVAL.numerator)
    structure.writeUInt32LE(denominator, FRAME_INTERVAL.denominator)
    return true
  }
}

const CAPTURE = 0x1
const MPLANE = 0x1000
const PER_NODE = 0x8000_0000
const METADATA = 0x80_0000
const HD = { width: 1280, height: 720 }

const DEVICES: readonly (readonly [of: string, driver: Driver, formats: readonly object[] | null])[] = [
  ['metadata of a camera is no picture', { capabilities: CAPTURE | PER_NODE, ofThisNode: METADATA }, null],
  ['an encoder is no camera', { capabilities: 0x8000 }, null],
  [
    'several planes',
    { capabilities: MPLANE, fourccs: ['NV12'], sizes: [HD], intervals: [{ of: [1, 60] }, { of: [1, 30] }] },
    [{ fourcc: 'NV12', ...HD, rates: [60, 30] }],
  ],
  [
    'ranges',
    {
      capabilities: CAPTURE,
      fourccs: ['UYVY'],
      sizes: [{ most: [1920, 1080] }],
      intervals: [{ range: [1001, 60_000] }],
    },
    [{ fourcc: 'UYVY', width: 1920, height: 1080, rates: [59.94] }],
  ],
  [
    'a device that takes what it is given',
    { capabilities: CAPTURE, fourccs: ['BGR3'] },
    [{ fourcc: 'BGR3', width: null, height: null, rates: [] }],
  ],
  [
    'an interval of nothing',
    { capabilities: CAPTURE, fourccs: ['YUYV'], sizes: [HD], intervals: [{ of: [0, 30] }] },
    [{ fourcc: 'YUYV', ...HD, rates: [] }],
  ],
]
for (const [of, answers, formats] of DEVICES)
  test(`capture devices: ${of}`, (t) => {
    const device = describeCaptureDevice(driver(answers))
    t.deepEqual(device?.formats ?? null, formats)
    if (device) t.is(device.name, 'Field camera')
  })

test('a driver that never says that it was the last has an end all the same', (t) => {
  let asked = 0
  const device = describeCaptureDevice((request, structure) => {
    asked += 1
    if (request === VIDIOC_QUERYCAP) structure.writeUInt32LE(CAPTURE, CAPABILITY.capabilities)
    return true
  })
  t.true(device!.formats.length <= 64)
  t.true(asked < 10_000, `${asked} questions`)
})
