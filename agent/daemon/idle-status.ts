import type { Broadcast } from '../../common/wire/node-config.ts'
import type { BroadcastStatus } from '../../common/wire/node-report.ts'

/** The status of a broadcast of which nothing runs. */
export function idleStatus(
  { stream_id, renditions }: Broadcast,
  health: Pick<BroadcastStatus, 'state' | 'reason' | 'since'>,
): BroadcastStatus {
  return {
    stream_id,
    ...health,
    contract_id: null,
    encoder: null,
    target_kbps: null,
    sent_kbps: 0,
    fps: null,
    renditions: renditions.map(() => false),
    encoder_restarts: 0,
    sender_restarts: 0,
    backlog_mb: 0,
    links: [],
  }
}
