import type { BroadcastStatus } from '../../common/wire/node-report.ts'

type LinkStatus = BroadcastStatus['links'][number]

/** How one sender does, as text: a line for it, and a line for each of its links. */
export function senderLines(nodeId: string, broadcast: BroadcastStatus | undefined): string[] {
  if (!broadcast) return [`${nodeId}: not there`]
  const { state, reason, target_kbps, sent_kbps, renditions, links } = broadcast
  const shown = renditions.map((sent) => (sent ? '#' : '.')).join('')
  const rate = `${sent_kbps} of ${target_kbps ?? '?'} kb/s`
  const head = `${nodeId}  ${state}${reason ? `: ${reason}` : ''}  ${rate}  renditions ${shown}`
  return [head, ...links.map(linkLine)]
}

function linkLine({ link_id, state, weight, kbps, rtt_ms, loss, capacity_kbps, via }: LinkStatus): string {
  const cells = [
    link_id.padEnd(10),
    state.padEnd(9),
    `weight ${weight}`.padEnd(11),
    `${kbps} kb/s`.padStart(10),
    `rtt ${rtt_ms ?? '-'} ms`.padStart(12),
    `loss ${(loss * 100).toFixed(1)} %`.padStart(12),
    `holds ${capacity_kbps ?? '?'} kb/s`.padStart(16),
    via === 'udp' ? '' : via,
  ]
  return `    ${cells.join(' ')}`
}
