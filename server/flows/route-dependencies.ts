import type { EffectivePolicy } from '../../policy/effective.ts'
import type { Stream, StreamSpec } from '../../sfu/stream.ts'
import type { SwitchedSource } from '../../sfu/switch/switched-source.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import type { FlowWays } from './flow-ways.ts'
import type { PublishDependencies } from './publish.ts'
import type { SubscribeDependencies } from './subscribe.ts'
import type { ViewerLimits } from './viewer-limits.ts'

/** A stream as the routes show it. */
export interface RunningStream extends Pick<Stream, 'viewers' | 'state' | 'statistics'> {
  readonly spec: Pick<StreamSpec, 'tenantId' | 'streamId' | 'streamClass'>
}

/** A stream whose priority can be set though nobody publishes it. */
export interface PrioritizedStream {
  setPriority(priority: number, audit: AuditDraft): Promise<void>
}

/** What switches the inputs of a stream, as the routes use it. */
export type SwitchedStream = Pick<SwitchedSource, 'status' | 'rules' | 'take'>

/** What the routes about flows need of the hub. */
export interface FlowRouteDependencies extends PublishDependencies, SubscribeDependencies {
  readonly streams: {
    get(tenantId: string, streamId: string): RunningStream | undefined
    list(): readonly RunningStream[]
    /** A stream with several inputs; left out where there are none. */
    switched?(tenantId: string, streamId: string): SwitchedStream | undefined
  }
  /** Puts what somebody did on the audit trail. */
  readonly audit: (draft: AuditDraft) => Promise<void>
  /** Whether a stream of the configuration stays away because somebody revoked it by hand. */
  readonly isAway?: (tenantId: string, streamId: string) => boolean
  /** How senders' links reach the hub. */
  readonly ways: Pick<FlowWays, 'of'>
  /** Ceilings of viewers set by hand. */
  readonly limits: Pick<ViewerLimits, 'set'>
  readonly policyOf: (tenantId: string) => EffectivePolicy
  /** Programs, which are streams without a publisher; left out where there are none. */
  readonly programs?: { find(tenantId: string, programId: string): PrioritizedStream | undefined }
  /** How long a sender's question for news is held open, ms; 8000 by default. */
  readonly newsWaitMs?: number
}
