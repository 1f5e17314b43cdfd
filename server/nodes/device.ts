import { maskSecrets } from '../../common/node-config/config-secrets.ts'
import type { ActualConfig } from '../../common/wire/node-protocol.ts'
import type { BroadcastStatus, NodeReport } from '../../common/wire/node-report.ts'
import type { NodeReportView } from '../../common/wire/nodes-api.ts'
import type { NodeHello, NodeLine, NodePlace } from '../../signaling/node/node-admission.ts'
import { Delivery, type DeliveryOptions } from './delivery.ts'
import type { DeviceNews } from './device-news.ts'
import type { ActualRecord } from './node-config-record.ts'
import type { NodeConfigs } from './node-configs.ts'
import type { NodeName } from './node-name.ts'

interface Told<T> {
  /** By the clock of `now`, Unix ms. */
  readonly at: number
  readonly value: T
}

export interface DeviceOptions extends Pick<DeliveryOptions, 'commands' | 'now' | 'refreshMs' | 'onError'> {
  readonly node: NodeName
  readonly configs: NodeConfigs
  readonly news: DeviceNews
  /** A section of the report is new. Resolves when the rest of the hub knows it. */
  readonly reported: (node: NodeName, sections: NodeReport) => Promise<void>
}

const SECTIONS = [
  'agent',
  'interfaces',
  'inputs',
  'encoders',
  'system',
  'clock',
  'position',
  'timing',
  'update',
] as const

/** A field sender as this hub knows it: what it told last, and its channel while that is connected. */
export class Device {
  readonly #options: DeviceOptions
  readonly #sections = new Map<string, Told<unknown>>()
  #broadcasts: Told<readonly BroadcastStatus[]> | null = null
  #record: ActualRecord = { actual: null, answered: null }
  #line: NodeLine | null = null
  #delivery: Delivery | null = null
  #since: number | null = null
  /** Writes of what the device does; the last never rejects. */
  #saving: Promise<unknown> = Promise.resolve()

  constructor(options: DeviceOptions) {
    this.#options = options
  }

  /** The report of a node that this hub has not heard since it started. */
  static unheard(nodeId: string): NodeReportView {
    const sections = Object.fromEntries(SECTIONS.map((name) => [name, null]))
    return {
      node_id: nodeId,
      connected: false,
      since: null,
      config_version: null,
      ...(sections as Record<(typeof SECTIONS)[number], null>),
      broadcasts: null,
    }
  }

  get connected(): boolean {
    return this.#line !== null
  }

  get actual(): ActualRecord {
    return this.#record
  }

  /** Takes a connection, in the place of the one before. */
  async connect(hello: NodeHello, line: NodeLine): Promise<NodePlace> {
    const { node, configs, news } = this.#options
    this.#end(this.#line)
    await this.#saving
    const [stored, desired] = await Promise.all([configs.actual(node), configs.desired(node)])
    // Another connection may have come meanwhile: the newest has the place.
    this.#end(this.#line)
    this.#record = stored
    this.#line = line
    this.#since = this.#options.now()
    if (hello.actual) this.#configured(hello.actual)
    else if (stored.actual) void this.#keep({ actual: null })
    this.#told(hello.broadcasts)
    news.connected(node, true)
    // A document that is delivered now makes the device ask for contracts, which need its uplinks.
    await this.#reported(hello.report)
    const ifHolds = (act: () => void) => () => {
      if (this.#line === line) act()
    }
    return {
      welcome: { desired_version: desired.history[0]?.version ?? null },
      welcomed: ifHolds(() => this.#deliver(line)),
      reported: (sections) => ifHolds(() => void this.#reported(sections))(),
      broadcasts: (all) => ifHolds(() => this.#told(all))(),
      configured: (actual) => ifHolds(() => this.#configured(actual))(),
      [Symbol.dispose]: () => this.#lost(line),
    }
  }

  /** There is something new for the device. */
  wake(): void {
    this.#delivery?.wake()
  }

  /** Closes the connection: the hub stops, or the node may connect no more. */
  disconnect(): void {
    this.#end(this.#line)
  }

  report(nodeId: string, nowMs: number): NodeReportView {
    const section = (name: string) => {
      const told = this.#sections.get(name)
      return told ? { ...told, age_ms: Math.max(0, nowMs - told.at) } : null
    }
    const sections = Object.fromEntries(SECTIONS.map((name) => [name, section(name)]))
    const broadcasts = this.#broadcasts
    return {
      node_id: nodeId,
      connected: this.connected,
      since: this.#since,
      config_version: this.#record.actual?.version ?? null,
      // Each section was parsed by its schema when it came.
      ...(sections as Pick<NodeReportView, (typeof SECTIONS)[number]>),
      broadcasts: broadcasts && {
        at: broadcasts.at,
        age_ms: Math.max(0, nowMs - broadcasts.at),
        value: [...broadcasts.value],
      },
    }
  }

  #deliver(line: NodeLine): void {
    const { node, configs, commands, news, now, refreshMs, onError } = this.#options
    this.#delivery = new Delivery({
      node,
      line,
      configs,
      commands,
      news,
      now,
      refreshMs,
      onError,
      actual: () => this.#record,
      answered: (answered) => this.#keep({ answered }),
    })
  }

  #reported(sections: NodeReport): Promise<void> {
    const at = this.#options.now()
    for (const [name, value] of Object.entries(sections)) this.#sections.set(name, { at, value })
    return this.#options.reported(this.#options.node, sections)
  }

  #told(value: readonly BroadcastStatus[]): void {
    this.#broadcasts = { at: this.#options.now(), value }
    this.#options.news.broadcasts(this.#options.node, value)
  }

  #configured(told: ActualConfig): void {
    const { node, news } = this.#options
    const before = this.#record.actual
    if (before && before.version === told.version && before.hash === told.hash) return
    void this.#keep({ actual: { ...told, config: maskSecrets(told.config) } })
    if (told.version === 'local') news.local(node)
  }

  /** Remembers what the device told, also over a restart of the hub. */
  #keep(change: Partial<ActualRecord>): Promise<void> {
    const { node, configs, onError } = this.#options
    this.#record = { ...this.#record, ...change }
    const saved = this.#saving.then(() => configs.saveActual(node, this.#record)).catch(onError)
    this.#saving = saved
    return saved
  }

  #lost(line: NodeLine): void {
    if (this.#line === line) this.#end(line)
  }

  #end(line: NodeLine | null): void {
    if (!line) return
    this.#delivery?.[Symbol.dispose]()
    this.#delivery = null
    this.#line = null
    this.#since = this.#options.now()
    line.close()
    this.#options.news.connected(this.#options.node, false)
  }
}
