import type { AlarmKind } from '../../common/wire/alarm.ts'
import type { Outcome } from '../../common/wire/node-protocol.ts'
import type { BroadcastStatus, NodeReport } from '../../common/wire/node-report.ts'
import type { TenantFacts } from '../facts/fact.ts'
import type { AlarmBook } from '../topology/alarms.ts'
import type { CommandRecord } from './command-record.ts'
import type { DeviceNews } from './device-news.ts'
import { type NodeName, nodeKeyOf } from './node-name.ts'

/** Less room than this on the device's disk, and nothing can be kept there, MB. */
const LEAST_DISK_MB = 200
/** Less memory than this, and the kernel will end something, share of all. */
const LEAST_MEMORY = 0.05

export interface NodeNewsOptions {
  readonly facts: Pick<TenantFacts, 'tell'>
  readonly alarms: Pick<AlarmBook, 'report' | 'gone'>
  /** The steady clock, Unix ms. */
  readonly steady: () => number
}

/** Tells the hub what happens to field senders, as facts and alarms. */
export class NodeNews implements DeviceNews {
  readonly #options: NodeNewsOptions
  /** The states of each node's broadcasts, by stream. */
  readonly #states = new Map<string, ReadonlyMap<string, BroadcastStatus['state']>>()

  constructor(options: NodeNewsOptions) {
    this.#options = options
  }

  connected(node: NodeName, connected: boolean): void {
    // Nobody knows how they go now; the node's own alarm tells that it is away.
    if (!connected) this.#gone(node)
  }

  configured(node: NodeName, version: number, refusal: Extract<Outcome, { state: 'refused' }> | null): void {
    const news = refusal ? 'refused' : 'applied'
    this.#tellConfig(node, news, version, refusal && `${refusal.code}: ${refusal.reason}`)
    this.#report(
      'node_config_refused',
      node,
      refusal !== null,
      `version ${version}: ${refusal?.reason ?? ''}`,
    )
  }

  local(node: NodeName): void {
    this.#tellConfig(node, 'local', null, null)
    this.#report('node_config_refused', node, false, '')
  }

  commanded(node: NodeName, { command_id, command, state, outcome }: CommandRecord): void {
    if (state === 'waiting' || state === 'sent') return
    this.#options.facts.tell(node.tenantId, {
      kind: 'node_command',
      nodeId: node.nodeId,
      commandId: command_id,
      command: command.do,
      streamId: 'stream_id' in command ? command.stream_id : null,
      outcome: state,
      reason: outcome?.state === 'refused' ? `${outcome.code}: ${outcome.reason}` : null,
    })
  }

  broadcasts(node: NodeName, all: readonly BroadcastStatus[]): void {
    const before = this.#states.get(nodeKeyOf(node))
    for (const { stream_id: streamId, state, reason } of all) {
      if (before?.get(streamId) !== state)
        this.#options.facts.tell(node.tenantId, {
          kind: 'node_broadcast',
          nodeId: node.nodeId,
          streamId,
          state,
          reason,
        })
      const failing = state === 'no_input' || state === 'no_contract' || state === 'failed'
      this.#reportBroadcast(node, streamId, failing, `${state}${reason === null ? '' : `: ${reason}`}`)
    }
    const now = new Map(all.map(({ stream_id, state }) => [stream_id, state]))
    for (const streamId of before?.keys() ?? []) if (!now.has(streamId)) this.#goneBroadcast(node, streamId)
    this.#states.set(nodeKeyOf(node), now)
  }

  /** A device told its figures. */
  reported(node: NodeName, { system }: NodeReport): void {
    if (!system) return
    const { throttled, disk_mb, memory_mb, temperature_c } = system
    const words = [
      throttled && `its cores are slowed down${temperature_c === null ? '' : ` at ${temperature_c} °C`}`,
      disk_mb.available < LEAST_DISK_MB && `${Math.round(disk_mb.available)} MB of its disk are left`,
      memory_mb.available < memory_mb.total * LEAST_MEMORY &&
        `${Math.round(memory_mb.available)} MB of its memory are left`,
    ].filter((word) => typeof word === 'string')
    this.#report('node_strained', node, words.length > 0, words.join('; '))
  }

  /** The node is no more. */
  forget(node: NodeName): void {
    this.#gone(node)
    for (const kind of ['node_config_refused', 'node_strained'] as const)
      this.#options.alarms.gone(nameOf(kind, node, `node:${node.nodeId}`), this.#options.steady())
  }

  #gone(node: NodeName): void {
    for (const streamId of this.#states.get(nodeKeyOf(node))?.keys() ?? [])
      this.#goneBroadcast(node, streamId)
    this.#states.delete(nodeKeyOf(node))
  }

  #tellConfig(
    { tenantId, nodeId }: NodeName,
    news: 'applied' | 'refused' | 'local',
    version: number | null,
    reason: string | null,
  ): void {
    this.#options.facts.tell(tenantId, { kind: 'node_config', nodeId, news, version, reason })
  }

  #report(kind: AlarmKind, node: NodeName, holds: boolean, message: string): void {
    const { alarms, steady } = this.#options
    alarms.report(nameOf(kind, node, `node:${node.nodeId}`), holds, message, steady())
  }

  #reportBroadcast(node: NodeName, streamId: string, holds: boolean, message: string): void {
    const { alarms, steady } = this.#options
    alarms.report(nameOf('broadcast_failing', node, subjectOf(node, streamId)), holds, message, steady())
  }

  #goneBroadcast(node: NodeName, streamId: string): void {
    const { alarms, steady } = this.#options
    alarms.gone(nameOf('broadcast_failing', node, subjectOf(node, streamId)), steady())
  }
}

const subjectOf = ({ nodeId }: NodeName, streamId: string): string => `broadcast:${nodeId}/${streamId}`

function nameOf(kind: AlarmKind, { tenantId }: NodeName, subject: string) {
  return { kind, tenantId, subject }
}
