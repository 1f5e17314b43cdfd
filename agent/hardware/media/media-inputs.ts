import type { NodeConfig } from '../../../common/wire/node-config.ts'
import type { NodeReport } from '../../../common/wire/node-report.ts'

export type MediaInput = NonNullable<NodeReport['inputs']>[number]

/** The agent draws it itself, in any size. */
export const TEST_CARD: MediaInput = {
  kind: 'test-card',
  device: 'test-card',
  label: 'Test card with a clock and a tone',
  formats: [],
}

const MOST_NAMED = 16

/** Cameras by their address, and files: each that a broadcast names, once. */
export function namedInputs({ broadcasts }: Pick<NodeConfig, 'broadcasts'>): readonly MediaInput[] {
  const found = new Map<string, MediaInput>()
  for (const { source, stream_id } of broadcasts) {
    if (source.kind === 'test-card' || source.kind === 'v4l2') continue
    const device = source.kind === 'file' ? source.path : source.url
    if (!found.has(device)) found.set(device, { kind: source.kind, device, label: stream_id, formats: [] })
  }
  return [...found.values()].slice(0, MOST_NAMED)
}
