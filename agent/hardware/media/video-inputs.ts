import { readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../../common/errors.ts'
import type { Logger } from '../../../common/logger.ts'
import type { SystemRoots } from '../system-roots.ts'
import type { MediaInput } from './media-inputs.ts'
import { type CaptureDevice, readCaptureDevice } from './v4l2.ts'

const MOST_DEVICES = 32
/** Longer names are not told, letters: the device is then called by another of its names. */
const LONGEST_NAME = 200
const MOST_FORMATS = 64
const MOST_RATES = 16
const FORMATS: Readonly<Record<string, MediaInput['formats'][number]['format']>> = {
  MJPG: 'mjpeg',
  JPEG: 'mjpeg',
  H264: 'h264',
  AVC1: 'h264',
  HEVC: 'hevc',
}
/** Packed and planar pictures that GStreamer's v4l2src takes. */
const RAW = /^(YU|UY|YV|VY|NV|NM|YM|RGB|BGR|GRB|RX|BX|AR|AB|RA|BA|XR|XB|GREY|Y1|Y8|422P|444P|P0)/

/** Names of devices that survive a replug, the better first. */
const STABLE = ['v4l/by-id', 'v4l/by-path'] as const

/** The capture devices, each by its most stable name. */
export async function readVideoInputs(
  { dev, sys }: Pick<SystemRoots, 'dev' | 'sys'>,
  logger: Logger,
  read: (path: string) => Promise<CaptureDevice | null> = readCaptureDevice,
): Promise<readonly MediaInput[]> {
  const nodes = (await namesIn(join(sys, 'class/video4linux')))
    .filter((name) => /^video\d+$/.test(name))
    .toSorted((one, other) => Number(one.slice(5)) - Number(other.slice(5)))
  const names = await stableNames(dev)
  const inputs: MediaInput[] = []
  for (const node of nodes.slice(0, MOST_DEVICES)) {
    const path = join(dev, node)
    try {
      const device = await read(path)
      if (!device) continue
      inputs.push({
        kind: 'v4l2',
        device: names.get(path) ?? path,
        label: device.name,
        formats: [...formatsOf(device)],
      })
    } catch (error) {
      // It may be gone already: its going is an event of its own.
      logger.warn({ device: path, reason: messageOf(error) }, 'a capture device cannot be read')
    }
  }
  return inputs
}

type MediaFormat = MediaInput['formats'][number]

/** A device delivers raw pictures in a dozen arrangements: they count as one. Of too many sizes the largest are told. */
function formatsOf({ formats }: CaptureDevice): readonly MediaFormat[] {
  const found = new Map<string, MediaFormat>()
  for (const { fourcc, width, height, rates } of formats) {
    const format = FORMATS[fourcc] ?? (RAW.test(fourcc) ? 'raw' : 'other')
    const key = `${format} ${width} ${height}`
    const all = new Set([...(found.get(key)?.rates ?? []), ...rates])
    const told = [...all].toSorted((one, other) => other - one).slice(0, MOST_RATES)
    found.set(key, { format, width, height, rates: told })
  }
  const area = ({ width, height }: MediaFormat): number => (width ?? 0) * (height ?? 0)
  return [...found.values()].toSorted((one, other) => area(other) - area(one)).slice(0, MOST_FORMATS)
}

/** The best stable name of each device node. */
async function stableNames(dev: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const folder of STABLE)
    for (const name of await namesIn(join(dev, folder))) {
      const link = join(dev, folder, name)
      const node = await realpath(link).catch(() => null)
      if (node !== null && !found.has(node) && link.length <= LONGEST_NAME) found.set(node, link)
    }
  return found
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder).catch(() => [])).toSorted()
}
