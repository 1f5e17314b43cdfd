import type { AgentStatus } from '../daemon/agent-status.ts'
import { type Finding, findingsOf } from './finding.ts'

const DAY_MS = 86_400_000
/** The agent renews its certificate long before: then something keeps it from that. */
const RENEWED_BEFORE_MS = 2 * DAY_MS

/** What the running agent says of itself. Pure. @param status null where no agent runs */
export function agentFindings(status: AgentStatus | null, nowMs: number): readonly Finding[] {
  const { fine, warning, fault } = findingsOf('agent')
  if (!status)
    return [warning('the agent does not run', 'systemctl start lanecast-agent, or lanecast-agent run')]
  const { online, certificate_not_after, config_version, broadcasts, pid } = status
  const findings: Finding[] = [
    online
      ? fine(`it runs (pid ${pid}), and the hub hears it`)
      : warning('the hub does not hear it', 'read what is said of the hub'),
  ]
  if (certificate_not_after !== null && certificate_not_after - nowMs < RENEWED_BEFORE_MS)
    findings.push(
      certificate_not_after < nowMs
        ? fault('its certificate has run out', 'enrol it anew: lanecast-agent enrol --force URL TOKEN')
        : warning(
            'its certificate runs out soon, and was not renewed',
            'read the log: journalctl -u lanecast-agent',
          ),
    )
  if (config_version === null)
    findings.push(warning('nobody has configured it', 'lanecast-agent config apply FILE, or by the hub'))
  for (const { stream_id, state, reason } of broadcasts) {
    const about = `${stream_id}: ${state.replace('_', ' ')}${reason === null ? '' : `, ${reason}`}`
    if (state === 'off' || state === 'live' || state === 'starting') findings.push(fine(about))
    else findings.push(fault(about, CHANGES[state]))
  }
  return findings
}

const CHANGES = {
  no_input: 'look after the camera and its cable; the broadcast comes back by itself',
  no_contract: 'the reason is the hub’s: change what it names there, or in the configuration',
  failed: 'change what the reason names in the configuration',
} as const
