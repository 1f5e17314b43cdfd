import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import koffi from 'koffi'

/*
 * Questions to a capture device by the ioctls of linux/videodev2.h. The structures are laid out alike on x86-64 and arm64.
 * Every answer comes from what the driver read when the device was plugged in: no question waits for the device.
 */

/** By the process's own symbols, so that tests can put a camera in front of the kernel. */
const ioctl = koffi.load(null).func('int ioctl(int fd, unsigned long request, void *argument)')

export const VIDIOC_QUERYCAP = 0x8068_5600
export const VIDIOC_ENUM_FMT = 0xc040_5602
export const VIDIOC_ENUM_FRAMESIZES = 0xc02c_564a
export const VIDIOC_ENUM_FRAMEINTERVALS = 0xc034_564b
/** Sizes in bytes and offsets of what is read. */
export const CAPABILITY = { size: 104, card: 16, bus: 48, capabilities: 84, ofThisNode: 88 } as const
export const FORMAT = { size: 64, index: 0, type: 4, fourcc: 44 } as const
export const FRAME_SIZE = {
  size: 44,
  index: 0,
  fourcc: 4,
  type: 8,
  width: 12,
  height: 16,
  most: 16,
  mostHeight: 28,
} as const
export const FRAME_INTERVAL = {
  size: 52,
  index: 0,
  fourcc: 4,
  width: 8,
  height: 12,
  type: 16,
  numerator: 20,
  denominator: 24,
} as const

const V4L2_CAP_VIDEO_CAPTURE = 0x1
const V4L2_CAP_VIDEO_CAPTURE_MPLANE = 0x1000
const V4L2_CAP_DEVICE_CAPS = 0x8000_0000
const V4L2_BUF_TYPE_VIDEO_CAPTURE = 1
const V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE = 9
/** Of sizes and of intervals: a list, where anything else is a range. */
const DISCRETE = 1
/** Answers of one kind at most. No driver has as many; a broken one never says that it was the last. */
const MOST = 64

/** One question; false where the device has no (more) answer. */
export type Ask = (request: number, structure: Buffer) => boolean

export interface CaptureFormat {
  /** Four letters: `MJPG`, `H264`, `YUYV`. */
  readonly fourcc: string
  /** null where the device takes what it is given. */
  readonly width: number | null
  readonly height: number | null
  /** Pictures a second, the most first. */
  readonly rates: readonly number[]
}

export interface CaptureDevice {
  readonly name: string
  readonly formats: readonly CaptureFormat[]
}

/** Asks the device at a path. null for what captures no pictures. @throws Error where it can't be opened */
export async function readCaptureDevice(path: string): Promise<CaptureDevice | null> {
  await using file = await open(path, constants.O_RDWR | constants.O_NONBLOCK)
  return describeCaptureDevice((request, structure) => ioctl(file.fd, request, structure) === 0)
}

/** What a device says of itself. Pure but for its questions. */
export function describeCaptureDevice(ask: Ask): CaptureDevice | null {
  const capability = Buffer.alloc(CAPABILITY.size)
  if (!ask(VIDIOC_QUERYCAP, capability)) return null
  const all = capability.readUInt32LE(CAPABILITY.capabilities)
  const can = (all & V4L2_CAP_DEVICE_CAPS) !== 0 ? capability.readUInt32LE(CAPABILITY.ofThisNode) : all
  const type =
    (can & V4L2_CAP_VIDEO_CAPTURE) !== 0
      ? V4L2_BUF_TYPE_VIDEO_CAPTURE
      : (can & V4L2_CAP_VIDEO_CAPTURE_MPLANE) !== 0
        ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
        : null
  if (type === null) return null
  return {
    name: text(capability.subarray(CAPABILITY.card, CAPABILITY.bus)),
    formats: fourccs(ask, type)
      .flatMap((fourcc) => sizes(ask, fourcc))
      .map(({ fourcc, width, height }) => ({
        fourcc: fourccText(fourcc),
        width,
        height,
        rates: width === null || height === null ? [] : rates(ask, fourcc, width, height),
      })),
  }
}

function fourccs(ask: Ask, type: number): readonly number[] {
  return answers(ask, VIDIOC_ENUM_FMT, (index) => {
    const structure = Buffer.alloc(FORMAT.size)
    structure.writeUInt32LE(index, FORMAT.index)
    structure.writeUInt32LE(type, FORMAT.type)
    return structure
  }).map((structure) => structure.readUInt32LE(FORMAT.fourcc))
}

interface Size {
  readonly fourcc: number
  readonly width: number | null
  readonly height: number | null
}

/** Of a range only the largest size. */
function sizes(ask: Ask, fourcc: number): readonly Size[] {
  const found = answers(ask, VIDIOC_ENUM_FRAMESIZES, (index) => {
    const structure = Buffer.alloc(FRAME_SIZE.size)
    structure.writeUInt32LE(index, FRAME_SIZE.index)
    structure.writeUInt32LE(fourcc, FRAME_SIZE.fourcc)
    return structure
  })
  if (found.length === 0) return [{ fourcc, width: null, height: null }]
  const range = found[0]!.readUInt32LE(FRAME_SIZE.type) !== DISCRETE
  return (range ? found.slice(0, 1) : found).map((structure) => ({
    fourcc,
    width: structure.readUInt32LE(range ? FRAME_SIZE.most : FRAME_SIZE.width),
    height: structure.readUInt32LE(range ? FRAME_SIZE.mostHeight : FRAME_SIZE.height),
  }))
}

/** Of a range only the highest rate: the shortest interval stands first. */
function rates(ask: Ask, fourcc: number, width: number, height: number): readonly number[] {
  const found = answers(ask, VIDIOC_ENUM_FRAMEINTERVALS, (index) => {
    const structure = Buffer.alloc(FRAME_INTERVAL.size)
    structure.writeUInt32LE(index, FRAME_INTERVAL.index)
    structure.writeUInt32LE(fourcc, FRAME_INTERVAL.fourcc)
    structure.writeUInt32LE(width, FRAME_INTERVAL.width)
    structure.writeUInt32LE(height, FRAME_INTERVAL.height)
    return structure
  })
  const range = found[0] !== undefined && found[0].readUInt32LE(FRAME_INTERVAL.type) !== DISCRETE
  return (range ? found.slice(0, 1) : found)
    .map((structure) => {
      const numerator = structure.readUInt32LE(FRAME_INTERVAL.numerator)
      const denominator = structure.readUInt32LE(FRAME_INTERVAL.denominator)
      return numerator === 0 ? 0 : Math.round((denominator / numerator) * 100) / 100
    })
    .filter((rate) => rate > 0)
    .toSorted((one, other) => other - one)
}

/** Answers to a question by index, until there are no more. */
function answers(ask: Ask, request: number, question: (index: number) => Buffer): readonly Buffer[] {
  const found: Buffer[] = []
  while (found.length < MOST) {
    const structure = question(found.length)
    if (!ask(request, structure)) break
    found.push(structure)
  }
  return found
}

function fourccText(fourcc: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(fourcc & 0x7fff_ffff)
  return bytes.toString('latin1').trim()
}

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
}
