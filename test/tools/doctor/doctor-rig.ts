import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { readConfig } from '../../../server/config/config.ts'
import type { Check } from '../../../tools/doctor/check.ts'
import { type ExamineOptions, examine, type Told } from '../../../tools/doctor/examine.ts'
import { freeUdpRange } from '../../support/udp-ports.ts'

const ENV = { AMNESIA: 'true' }

/** Flags of a hub of which nothing is wrong: it has five UDP ports of its own, and its state is in memory. */
export async function plainHub(): Promise<Map<string, string>> {
  const first = await freeUdpRange(5)
  return new Map([
    ['--bind', '127.0.0.1:0'],
    ['--rtc-port', '0'],
    ['--workers', '1'],
    ['--rist-ports', `${first}-${first + 1}`],
    ['--rtp-ports', `${first + 2}-${first + 3}`],
    ['--turn-port', '0'],
    ['--turn-tls-port', '0'],
    ['--turn-relay-ports', `${first + 4}-${first + 4}`],
  ])
}

/** What the doctor says of one matter, for a hub that is given these flags. */
export async function ask(
  check: Check,
  args: readonly string[],
  options: Partial<Pick<ExamineOptions, 'timeServer' | 'sysctl' | 'file'>> & {
    readonly env?: Record<string, string>
  } = {},
): Promise<Told[]> {
  const { timeServer = null, sysctl, file = null, env = {} } = options
  const plain = [...(await plainHub())].filter(([flag]) => !args.includes(flag)).flat()
  const read = readConfig([...plain, ...args], { ...ENV, ...env }, {})
  if (read === 'help') throw new Error('nobody asked for help')
  return await examine({
    ...{ config: read.config, env, file, timeServer, checks: [check] },
    ...(sysctl && { sysctl }),
  })
}

/** `severity where: what -> change`, a line a finding, without what is fine. */
export const lines = (told: readonly Told[]): string =>
  told
    .filter(({ severity }) => severity !== 'fine')
    .map(({ severity, where, what, change }) => `${severity} ${where}: ${what} -> ${change}`)
    .join('\n')

export async function folder(t: ExecutionContext): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'lanecast-doctor-'))
  t.teardown(() => rm(made, { recursive: true, force: true }))
  return made
}
