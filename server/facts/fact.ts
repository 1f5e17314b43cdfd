import type { Alarm } from '../../common/wire/alarm.ts'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { IngressStats } from '../../common/wire/ingress-ipc.ts'
import type { BroadcastStatus } from '../../common/wire/node-report.ts'
import type { StreamClass, StreamState } from '../../common/wire/stream.ts'
import type { StreamName } from '../../sfu/media-events.ts'
import type { InputStatus, Switched } from '../../sfu/switch/switch-status.ts'
import type { Fact, FactBus } from './fact-bus.ts'

/** What happened to a contract. `renewed`: only its end moved. */
export type ContractNews = 'granted' | 'renewed' | 'updated' | 'expired' | 'revoked'

/** What happened to a program. `changed`: its inputs or rules, or whether it follows them by itself. */
export type ProgramNews = 'created' | 'changed' | 'deleted' | 'taken' | 'locked' | 'unlocked'

/** What can happen in a tenant, or in the hub itself. */
export type FactBody =
  | { readonly kind: 'stream'; readonly stream: StreamName; readonly state: StreamState }
  /** The measurements of one second of a stream's input. */
  | { readonly kind: 'input'; readonly stream: StreamName; readonly stats: IngressStats }
  /** A viewer measured how late it sees a stream. */
  | {
      readonly kind: 'lateness'
      readonly stream: StreamName
      readonly streamClass: StreamClass
      readonly viewer: string
      readonly glassToGlassMs: number
    }
  | {
      readonly kind: 'contract'
      readonly news: ContractNews
      readonly contract: Pick<FlowContract, 'contract_id' | 'stream_id' | 'version' | 'class'>
    }
  | {
      readonly kind: 'program'
      readonly programId: string
      readonly news: ProgramNews
      readonly data: Readonly<Record<string, string | number | boolean | null>>
    }
  /** Another input of a switched stream is on air, or the slate. */
  | { readonly kind: 'switched'; readonly stream: StreamName; readonly event: Switched }
  /** An input of a switched stream came, went, or can't be shown. */
  | { readonly kind: 'lane_input'; readonly stream: StreamName; readonly input: InputStatus }
  /** These inputs claim the same capture times and have different pictures. */
  | { readonly kind: 'merge_refused'; readonly stream: StreamName; readonly inputs: readonly string[] }
  | { readonly kind: 'node'; readonly nodeId: string; readonly up: boolean }
  /** A field sender has applied a document, or refused it. `local`: somebody applied one at the device itself. */
  | {
      readonly kind: 'node_config'
      readonly nodeId: string
      readonly news: 'applied' | 'refused' | 'local'
      /** null for a document of the device's own. */
      readonly version: number | null
      /** Why it refused, in words. */
      readonly reason: string | null
    }
  /** A command to a field sender is over. */
  | {
      readonly kind: 'node_command'
      readonly nodeId: string
      readonly commandId: string
      /** What it was: `start`, `reboot`. */
      readonly command: string
      readonly streamId: string | null
      readonly outcome: 'done' | 'refused' | 'expired'
      readonly reason: string | null
    }
  /** A broadcast of a field sender is in another state. */
  | {
      readonly kind: 'node_broadcast'
      readonly nodeId: string
      readonly streamId: string
      readonly state: BroadcastStatus['state']
      readonly reason: string | null
    }
  | {
      readonly kind: 'alarm'
      readonly alarm: Alarm
      /** null for a raised alarm. */
      readonly cleared: { readonly why: 'recovered' | 'gone'; readonly afterMs: number } | null
    }
  /** A flow runs over other nodes or links now. */
  | {
      readonly kind: 'reroute'
      readonly stream: StreamName
      readonly contractId: string
      readonly streamClass: StreamClass
      readonly cause: string
      readonly nodes: readonly string[]
      readonly links: readonly string[]
    }
  /** A child process died, or its successor is up. */
  | {
      readonly kind: 'child'
      /** As in the wire's `Alarm`: `service:worker-0`, `stream:cam-1`. */
      readonly subject: string
      /** Why the process died, in words; null for a successor that is up. */
      readonly died: string | null
    }

  /** Another program has a port of a stream's, in words; null where the ports are there again. */
  | { readonly kind: 'ports'; readonly stream: StreamName; readonly taken: string | null }

export type FactKind = FactBody['kind']

export type TenantFact<Kind extends FactKind = FactKind> = Fact<Extract<FactBody, { kind: Kind }>>

/** The bus on which the hub's rooms tell facts and listen. */
export type TenantFacts = FactBus<FactBody>
