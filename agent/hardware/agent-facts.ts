import { readFile } from 'node:fs/promises'
import { arch, release } from 'node:os'
import { join } from 'node:path'
import type { NodeReport } from '../../common/wire/node-report.ts'
import type { SystemRoots } from './system-roots.ts'

export type AgentFacts = NonNullable<NodeReport['agent']>

/** What does not change while the agent runs. @param version of the agent */
export async function readAgentFacts(
  version: string,
  { proc, sys }: Pick<SystemRoots, 'proc' | 'sys'>,
): Promise<AgentFacts> {
  const [osRelease, treeModel, dmiModel, bootId] = await Promise.all(
    [
      '/etc/os-release',
      join(proc, 'device-tree/model'),
      join(sys, 'class/dmi/id/product_name'),
      join(proc, 'sys/kernel/random/boot_id'),
    ].map((path) => readFile(path, 'utf8').catch(() => '')),
  )
  const pretty = /^PRETTY_NAME="?([^"\n]+)"?$/m.exec(osRelease ?? '')?.[1] ?? 'Linux'
  // A device tree's texts end with a zero byte.
  const model = ((treeModel || dmiModel) ?? '').replaceAll('\0', '').trim()
  return {
    version,
    arch: arch(),
    os: pretty.slice(0, 200),
    model: model === '' ? null : model.slice(0, 200),
    kernel: release().slice(0, 200),
    boot_id: (bootId ?? '').trim().slice(0, 64),
    started_at: Date.now() - Math.round(process.uptime() * 1000),
  }
}
