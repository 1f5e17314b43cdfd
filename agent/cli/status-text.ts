import type { BroadcastStatus, NodeReport } from '../../common/wire/node-report.ts'
import type { AgentStatus } from '../daemon/agent-status.ts'

/** An agent's status for people. */
export function statusText({
  node_id,
  hub_url,
  online,
  certificate_not_after,
  config_version,
  overlay_addresses,
  broadcasts,
  report,
}: AgentStatus): string {
  const lines = [
    `Node ${node_id} of ${hub_url}, ${online ? 'the hub hears it' : 'the hub does not hear it now'}`,
    [
      proofText(certificate_not_after),
      `configuration ${config_version ?? 'none'}`,
      ...overlay_addresses.map((address) => `overlay ${address}`),
    ].join(', '),
    machineText(report),
    ...updateLines(report),
    ...broadcasts.flatMap(broadcastLines),
  ]
  if (broadcasts.length === 0) lines.push('No broadcasts are configured.')
  return `${lines.join('\n')}\n`
}

/** The machine in a line: clock, load, heat, room. */
function machineText({ clock, system }: NodeReport): string {
  const aheadMs = Math.round(clock?.ahead_ms ?? 0)
  const words = [
    clock
      ? `clock ${Math.abs(aheadMs)} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} the hub's`
      : "the hub's clock is not known yet",
  ]
  if (system) {
    words.push(`${Math.round(system.cpu * 100)} % of the cores`)
    if (system.temperature_c !== null) words.push(`${Math.round(system.temperature_c)} °C`)
    if (system.throttled) words.push('slowed by heat or power')
    words.push(
      `${Math.round(system.memory_mb.available)} MB of memory and ${Math.round(system.disk_mb.available)} MB of disk free`,
    )
  }
  return `Machine: ${words.join(', ')}`
}

const proofText = (notAfter: number | null): string =>
  notAfter === null ? 'By a token' : `Certificate until ${new Date(notAfter).toISOString()}`

function updateLines({ agent, update }: NodeReport): string[] {
  if (!agent) return []
  if (!update || update.state === 'idle') return [`Release ${agent.version}`]
  const { state, version, percent, reason } = update
  const how = [
    `${version ?? ''} ${state.replace('_', ' ')}`.trim(),
    percent === null ? '' : `${percent} %`,
    reason ?? '',
  ]
  return [`Release ${agent.version}; update: ${how.filter((part) => part !== '').join(', ')}`]
}

function broadcastLines(status: BroadcastStatus): string[] {
  const { stream_id, state, reason, encoder, target_kbps, sent_kbps, links } = status
  const head = `${stream_id}: ${state.replace('_', ' ')}${reason === null ? '' : `, ${reason}`}`
  if (state === 'off') return [head]
  return [
    head,
    `  ${encoder ?? 'no encoder'}, ${sent_kbps} of ${target_kbps ?? '?'} kb/s`,
    ...links.map(
      ({ link_id, state, via, kbps, rtt_ms, loss }) =>
        `  ${link_id}: ${state} by ${via}, ${kbps} kb/s, ${rtt_ms ?? '?'} ms, ${(loss * 100).toFixed(1)} % lost`,
    ),
  ]
}
