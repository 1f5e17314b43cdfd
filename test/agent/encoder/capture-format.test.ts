import test from 'ava'
import { captureFormat } from '../../../agent/encoder/capture-format.ts'
import type { NodeReport } from '../../../common/wire/node-report.ts'

const DEVICE = '/dev/v4l/by-id/camera'
type Formats = NonNullable<NodeReport['inputs']>[number]['formats']
const input = (formats: Formats): NodeReport['inputs'] => [
  { kind: 'v4l2', device: DEVICE, label: 'Camera', formats },
]
const mode = (
  format: 'raw' | 'mjpeg' | 'h264' | 'other',
  width: number,
  height: number,
  ...rates: number[]
) => ({
  format,
  width,
  height,
  rates,
})

/** What a USB camera has: raw pictures are slow where they are large. */
const USB = [
  mode('raw', 640, 480, 30, 15),
  mode('raw', 1280, 720, 10, 5),
  mode('raw', 1920, 1080, 5),
  mode('mjpeg', 640, 480, 30),
  mode('mjpeg', 1280, 720, 60, 30),
  mode('mjpeg', 1920, 1080, 30),
]
const H264 = [...USB, mode('h264', 1280, 720, 30), mode('h264', 1920, 1080, 30)]

const table = [
  {
    what: 'raw where it is fast enough',
    formats: USB,
    width: 640,
    height: 360,
    fps: 30,
    is: ['raw', 640, 480, 30],
  },
  {
    what: 'JPEG where raw is too slow',
    formats: USB,
    width: 1280,
    height: 720,
    fps: 30,
    is: ['mjpeg', 1280, 720, 30],
  },
  { what: 'the rate above', formats: USB, width: 1280, height: 720, fps: 50, is: ['mjpeg', 1280, 720, 60] },
  {
    what: 'raw of a slow stream',
    formats: USB,
    width: 1280,
    height: 720,
    fps: 10,
    is: ['raw', 1280, 720, 10],
  },
  {
    what: 'H.264 that may pass',
    formats: H264,
    width: 1280,
    height: 720,
    fps: 30,
    is: ['h264', 1280, 720, 30],
  },
  {
    what: 'no H.264 that may not',
    formats: H264,
    width: 1280,
    height: 720,
    fps: 30,
    mayPass: false,
    is: ['mjpeg', 1280, 720, 30],
  },
  {
    what: 'the largest where nothing is enough',
    formats: USB,
    width: 3840,
    height: 2160,
    fps: 30,
    is: ['mjpeg', 1920, 1080, 30],
  },
  {
    what: 'a broken number of pictures',
    formats: [mode('raw', 1280, 720, 29.97)],
    width: 1280,
    height: 720,
    fps: 30,
    is: ['raw', 1280, 720, 29.97],
  },
  {
    what: 'a mode without rates',
    formats: [mode('raw', 1280, 720)],
    width: 1280,
    height: 720,
    fps: 25,
    is: ['raw', 1280, 720, 25],
  },
] as const

for (const { what, formats, width, height, fps, is, ...more } of table)
  test(`of a device's modes is taken: ${what}`, (t) => {
    const wish = { width, height, fps, mayPass: true, ...more }
    const found = captureFormat({ kind: 'v4l2', device: DEVICE, format: 'auto' }, wish, input([...formats]))
    t.deepEqual([found?.format, found?.size?.width, found?.size?.height, found?.fps], [...is])
  })

test('the format of the configuration is taken or nothing, and unknown devices choose themselves', (t) => {
  const wish = { width: 640, height: 480, fps: 30, mayPass: true }
  const source = { kind: 'v4l2', device: DEVICE, format: 'h264' } as const
  t.is(captureFormat(source, wish, input(USB)), undefined)
  t.is(captureFormat({ ...source, format: 'mjpeg' }, wish, input(USB))?.format, 'mjpeg')
  t.is(captureFormat({ ...source, format: 'auto' }, wish, input([mode('other', 640, 480, 30)])), undefined)
  t.deepEqual(captureFormat(source, wish, undefined), { kind: 'v4l2', device: DEVICE, format: 'h264' })
  t.deepEqual(captureFormat({ ...source, format: 'auto' }, wish, []), { kind: 'v4l2', device: DEVICE })
})
