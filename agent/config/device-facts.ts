import { realpathSync } from 'node:fs'
import type { Broadcast, NodeConfig } from '../../common/wire/node-config.ts'
import type { NodeReport } from '../../common/wire/node-report.ts'

/** What documents are checked against. */
export interface DeviceFacts {
  readonly report: NodeReport
  /** The path behind links such as those of /dev/v4l/by-id; null where there is nothing, or nothing that may be read. */
  readonly realPath: (path: string) => string | null
}

/** A broadcast that is to be on air, and what it was before: null where it is new or was off. */
export interface CheckedBroadcast {
  readonly broadcast: Broadcast
  readonly before: Broadcast | null
  /** Its place in the document, such as `broadcasts.0`. */
  readonly at: string
}

/** What is to be on air by the document. What is off is not checked: it may be for another day. */
export function onAir(config: NodeConfig, before: NodeConfig): CheckedBroadcast[] {
  return config.broadcasts.flatMap((broadcast, index) => {
    if (!broadcast.on) return []
    const same = before.broadcasts.find(
      ({ stream_id, input, on }) => on && stream_id === broadcast.stream_id && input === broadcast.input,
    )
    return [{ broadcast, before: same ?? null, at: `broadcasts.${index}` }]
  })
}

export function realPathOf(path: string): string | null {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}
