import type { Outcome } from '../../common/wire/node-protocol.ts'
import type { BroadcastStatus } from '../../common/wire/node-report.ts'
import type { CommandRecord } from './command-record.ts'
import type { NodeName } from './node-name.ts'

/** What happens to devices, told to the rest of the hub. Nothing here throws. */
export interface DeviceNews {
  connected(node: NodeName, connected: boolean): void
  /** A device has applied a desired version, or refused it. */
  configured(node: NodeName, version: number, refusal: Extract<Outcome, { state: 'refused' }> | null): void
  /** Somebody applied a document at the device itself. */
  local(node: NodeName): void
  /** A command is over. */
  commanded(node: NodeName, record: CommandRecord): void
  broadcasts(node: NodeName, all: readonly BroadcastStatus[]): void
}
