import type { NodeConfig } from '../../common/wire/node-config.ts'
import { type DeviceFacts, onAir } from './device-facts.ts'
import { encoderProblems } from './encoder-problems.ts'
import { sharedSources, sourceProblems } from './source-problems.ts'
import { uplinkProblems } from './uplink-problems.ts'

/**
 * What a document asks of the device that the device can't do: a line for each, with what would be right. What is not
 * known yet is not held against a document. What the document before asked for already is not refused for being away now:
 * a camera that was pulled comes back, and a change of the sound's gain has nothing to do with it.
 */
export function deviceProblems(config: NodeConfig, before: NodeConfig, facts: DeviceFacts): string[] {
  const checked = onAir(config, before)
  return [
    ...checked.flatMap((one) => sourceProblems(one, facts)),
    ...sharedSources(checked, facts),
    ...encoderProblems(checked, facts),
    ...uplinkProblems(config, checked, facts),
    ...diskProblems(config, before, facts),
  ]
}

function diskProblems(
  { backlog_mb }: NodeConfig,
  before: NodeConfig,
  { report: { system } }: DeviceFacts,
): string[] {
  if (!system || backlog_mb <= before.backlog_mb || backlog_mb <= system.disk_mb.total) return []
  return [`backlog_mb: ${backlog_mb} is more than the whole disk, ${Math.floor(system.disk_mb.total)}`]
}
