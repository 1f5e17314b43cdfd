import { readFile } from 'node:fs/promises'
import { createLogger } from '../../common/logger.ts'
import { EMPTY_NODE_CONFIG } from '../../common/wire/node-config.ts'
import type { NodeReport } from '../../common/wire/node-report.ts'
import { askLocalAgent } from '../cli/local-agent.ts'
import { ConfigFiles } from '../config/saved-config.ts'
import { type AgentStatus, agentStatusSchema } from '../daemon/agent-status.ts'
import type { StateFolder } from '../daemon/state-folder.ts'
import { DeviceWatch } from '../hardware/device-watch.ts'
import { loadIdentity } from '../node/node-identity.ts'
import { agentFindings } from './agent-findings.ts'
import { deviceFindings } from './device-findings.ts'
import { type Finding, findingsOf } from './finding.ts'
import { hubFindings } from './hub-findings.ts'
import { machineFindings } from './machine-findings.ts'

/**
 * Looks at everything that a field sender needs, and changes nothing. A running agent is asked what it knows; without one
 * the device is looked at from here, and its encoders are tried.
 */
export async function examine(state: StateFolder, env: NodeJS.ProcessEnv): Promise<readonly Finding[]> {
  const logger = createLogger('fatal')
  const status = await runningAgent(state)
  const saved = await new ConfigFiles(state.config, logger).load()
  const config = saved?.actual.config ?? EMPTY_NODE_CONFIG
  const parts = [
    tried('agent', async () => agentFindings(status, Date.now())),
    tried('hub', async () => hubFindings(await loadIdentity(state.identity))),
    tried('libraries', async () => machineFindings(await readFile('/proc/self/status', 'utf8'), env['PATH'])),
    tried('device', async () => deviceFindings(status?.report ?? (await lookedAt()), config)),
  ]
  return (await Promise.all(parts)).flat()

  async function lookedAt(): Promise<NodeReport> {
    await using device = await DeviceWatch.open({
      logger,
      config: () => config,
      onChange: () => {},
      disk: '/',
    })
    await device.probeEncoders()
    return device.report
  }
}

/** null where none runs. */
async function runningAgent({ socket }: StateFolder): Promise<AgentStatus | null> {
  try {
    return agentStatusSchema.parse(await askLocalAgent(socket, 'GET', '/status'))
  } catch {
    return null
  }
}

/** What throws becomes a finding. */
async function tried(check: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  return await look().catch((error: unknown) => [
    findingsOf(check).unknown(
      `this could not be tried: ${error instanceof Error ? error.message : String(error)}`,
    ),
  ])
}
