import { isDeepStrictEqual } from 'node:util'
import type { NodeReport } from '../../common/wire/node-report.ts'
import type { CheckedBroadcast, DeviceFacts } from './device-facts.ts'

type MediaInput = NonNullable<NodeReport['inputs']>[number]
type V4l2Source = Extract<CheckedBroadcast['broadcast']['source'], { kind: 'v4l2' }>

/** Where pictures and sound of a broadcast can't come from. */
export function sourceProblems(checked: CheckedBroadcast, facts: DeviceFacts): string[] {
  const { broadcast, before } = checked
  const problems: string[] = []
  if (!isDeepStrictEqual([broadcast.source, broadcast.renditions], [before?.source, before?.renditions]))
    problems.push(...pictureProblems(checked, facts))
  if (!isDeepStrictEqual(broadcast.sound, before?.sound)) problems.push(...soundProblems(checked, facts))
  return problems
}

/** A device can be opened once. */
export function sharedSources(checked: readonly CheckedBroadcast[], { realPath }: DeviceFacts): string[] {
  const users = new Map<string, string>()
  const problems: string[] = []
  for (const { broadcast, at } of checked) {
    const { source, sound } = broadcast
    const devices = [
      ...(source.kind === 'v4l2' ? [realPath(source.device) ?? source.device] : []),
      ...(sound?.source.kind === 'alsa' ? [cardOf(sound.source.device)] : []),
    ]
    for (const device of devices) {
      const other = users.get(device)
      if (other === undefined) users.set(device, at)
      else problems.push(`${at}: ${device} is in use by ${other} already`)
    }
  }
  return problems
}

function pictureProblems({ broadcast, at }: CheckedBroadcast, { report, realPath }: DeviceFacts): string[] {
  const { source } = broadcast
  if (source.kind === 'file' && realPath(source.path) === null)
    return [`${at}.source.path: there is no file ${source.path} that can be read`]
  if (source.kind !== 'v4l2' || !report.inputs) return []
  const cameras = report.inputs.filter(({ kind }) => kind === 'v4l2')
  const path = realPath(source.device)
  const camera = cameras.find(({ device }) => device === source.device || (path && realPath(device) === path))
  if (camera) return formatProblems(source, camera, broadcast.renditions.at(-1)!, at)
  if (path !== null) return []
  return [`${at}.source.device: there is no ${source.device}; there are: ${named(cameras)}`]
}

function formatProblems(
  source: V4l2Source,
  { formats }: MediaInput,
  largest: { readonly width: number; readonly height: number },
  at: string,
): string[] {
  const fitting = formats.filter(({ format }) => source.format === 'auto' || format === source.format)
  if (fitting.length === 0 && formats.length > 0) {
    const delivered = [...new Set(formats.map(({ format }) => format))].join(', ')
    return [`${at}.source.format: the device delivers no ${source.format}; it delivers ${delivered}`]
  }
  // A device that scales, or does not tell, has no sizes here.
  if (fitting.some(({ width, height }) => width === null || height === null)) return []
  const sizes = fitting.map(({ width, height }) => ({ width: width!, height: height! }))
  const fits = sizes.some(({ width, height }) => width >= largest.width && height >= largest.height)
  if (fits || sizes.length === 0) return []
  const most = sizes.reduce((one, other) =>
    other.width * other.height > one.width * one.height ? other : one,
  )
  return [
    `${at}.renditions: ${largest.width}x${largest.height} is larger than what the device delivers, ${most.width}x${most.height}`,
  ]
}

function soundProblems({ broadcast, at }: CheckedBroadcast, { report }: DeviceFacts): string[] {
  const source = broadcast.sound?.source
  // Names such as `default` are of ALSA's own configuration: nobody reports them.
  if (source?.kind !== 'alsa' || !/^(plug)?hw:/.test(source.device) || !report.inputs) return []
  const cards = report.inputs.filter(({ kind }) => kind === 'alsa')
  if (cards.some(({ device }) => cardOf(device) === cardOf(source.device))) return []
  return [`${at}.sound.source.device: there is no ${source.device}; there are: ${named(cards)}`]
}

/** `plughw:1,0` is `hw:1,0` with conversions, and `hw:1` its first device. */
function cardOf(device: string): string {
  const name = device.replace(/^plughw:/, 'hw:')
  return /^hw:[^,]+$/.test(name) && !name.includes('DEV=') ? `${name},0` : name
}

function named(inputs: readonly MediaInput[]): string {
  return inputs.map(({ device, label }) => `${device} (${label})`).join(', ') || 'none'
}
