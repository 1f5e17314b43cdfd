import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { LayerDemand } from '../../common/wire/publisher-protocol.ts'
import type { PublisherState } from './publisher-state.ts'
import type { PublisherStatistics } from './send-statistics.ts'

export interface PublisherEvents {
  state: PublisherState
  /** Once per second while something is sent. */
  statistics: PublisherStatistics
  /** Number of viewers. */
  viewers: number
  /** Which layers anybody consumes. */
  demand: LayerDemand
  /** What the hub grants now: bitrate bounds, expiry, reasons. */
  contract: FlowContract
}
