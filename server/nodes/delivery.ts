import { CodedError } from '../../common/errors.ts'
import { unmaskSecrets } from '../../common/node-config/config-secrets.ts'
import { EMPTY_NODE_CONFIG, type NodeConfig } from '../../common/wire/node-config.ts'
import type { DeviceCommand, Outcome } from '../../common/wire/node-protocol.ts'
import { type StateCommand, stateCommandSchema } from '../../common/wire/nodes-api.ts'
import type { NodeLine } from '../../signaling/node/node-admission.ts'
import type { CommandQueue } from './command-queue.ts'
import { type CommandRecord, isOver } from './command-record.ts'
import { isDue } from './config-state.ts'
import type { DeviceNews } from './device-news.ts'
import type { ActualRecord } from './node-config-record.ts'
import type { Desired, NodeConfigs } from './node-configs.ts'
import type { NodeName } from './node-name.ts'
import { patched } from './state-patch.ts'

/** After a failure of the store the queue is looked at again, ms. */
const STORE_AGAIN_MS = 2000

export interface DeliveryOptions {
  readonly node: NodeName
  readonly line: NodeLine
  readonly configs: NodeConfigs
  readonly commands: CommandQueue
  /** What the device told last. */
  readonly actual: () => ActualRecord
  readonly answered: (answered: NonNullable<ActualRecord['answered']>) => Promise<void>
  readonly news: DeviceNews
  /** Unix milliseconds. */
  readonly now: () => number
  /** How often to look for what other hubs of the database wrote, ms; undefined where this hub is alone. */
  readonly refreshMs?: number | undefined
  readonly onError: (error: unknown) => void
}

/**
 * Brings a connected device what it is to do: first the desired document, if it is not at that, then its commands, one after
 * the other. Whatever was not answered comes again over the next connection.
 */
export class Delivery implements Disposable {
  readonly #options: DeliveryOptions
  #woken = Promise.withResolvers<void>()
  #closed = false
  /** The version of the desired document that this connection has answered. */
  #asked: number | null = null

  constructor(options: DeliveryOptions) {
    this.#options = options
    void this.#run()
  }

  /** There is something new for the device. */
  wake(): void {
    this.#woken.resolve()
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.wake()
  }

  async #run(): Promise<void> {
    const { refreshMs, onError } = this.#options
    while (!this.#closed) {
      this.#woken = Promise.withResolvers<void>()
      let againMs = refreshMs
      try {
        if (await this.#deliverNext()) continue
      } catch (error) {
        if (this.#closed) return
        onError(error)
        againMs = STORE_AGAIN_MS
      }
      const timer = againMs === undefined ? undefined : setTimeout(() => this.wake(), againMs).unref()
      await this.#woken.promise
      clearTimeout(timer)
    }
  }

  /** @returns whether there may be more to do */
  async #deliverNext(): Promise<boolean> {
    const { node, configs, commands } = this.#options
    const desired = await configs.desired(node)
    const actual = this.#options.actual()
    const version = desired.history[0]?.version ?? null
    if (isDue(version, actual, this.#asked)) {
      await this.#deliverDocument(desired)
      return true
    }
    const next = (await commands.list(node)).find((record) => !isOver(record))
    if (!next) return false
    await this.#deliverCommand(next, desired, actual)
    return true
  }

  async #deliverDocument({ history }: Desired): Promise<void> {
    const { node, configs, answered, now, news } = this.#options
    const record = history[0]!
    const { version } = record
    const outcome = await this.#answerOf(
      this.#options.line.configure({ version, config: configs.opened(node, record) }),
    )
    this.#asked = version
    const refusal = outcome.state === 'refused' ? outcome : null
    await answered({ version, at: now(), refusal })
    news.configured(node, version, refusal)
  }

  async #deliverCommand(record: CommandRecord, desired: Desired, actual: ActualRecord): Promise<void> {
    const { node, commands, now, line } = this.#options
    const left = record.expires_at - now()
    const command = commands.opened(node, record)
    const change = stateCommandSchema.safeParse(command).data
    if (record.attempt !== null && actual.actual?.version === record.attempt.version)
      // The device has done it, and the answer was lost.
      return this.#commit(
        record,
        this.#revealed(actual.actual.config, desired),
        { state: 'done' },
        record.attempt,
      )
    if (left <= 0) return this.#over(record, 'expired', null)
    if (change) return this.#deliverChange(record, change, desired, actual)
    if (record.state === 'waiting') await commands.change(node, record.command_id, { state: 'sent' })
    const outcome = await this.#answerOf(
      line.command({
        command_id: record.command_id,
        expires_in_ms: Math.max(0, Math.round(left)),
        // Not a change of state, so it is one of the device's own commands.
        command: command as DeviceCommand,
      }),
    )
    await this.#over(record, outcome.state, outcome)
  }

  /** A command that changes the configuration becomes its next version, if the device takes it. */
  async #deliverChange(
    record: CommandRecord,
    change: StateCommand,
    desired: Desired,
    actual: ActualRecord,
  ): Promise<void> {
    const { node, configs, commands, line } = this.#options
    let config: NodeConfig
    try {
      config = this.#changed(change, desired, actual)
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
      return this.#over(record, 'refused', refusalOf(error))
    }
    const version = configs.nextVersion(desired, actual)
    const attempt = { version, base: desired.history[0]?.version ?? 0 }
    await commands.change(node, record.command_id, { state: 'sent', attempt }, async () => [
      configs.planNumber(node, await configs.desired(node), version),
    ])
    const outcome = await this.#answerOf(line.configure({ version, config }))
    if (outcome.state === 'refused') return this.#over(record, 'refused', outcome)
    await this.#commit(record, config, outcome, attempt)
  }

  /** The device has done what a command wanted: that is desired from now on, unless somebody wants something newer. */
  async #commit(
    record: CommandRecord,
    config: NodeConfig,
    outcome: Outcome,
    { version, base }: NonNullable<CommandRecord['attempt']>,
  ): Promise<void> {
    const { node, configs, commands, now, news } = this.#options
    const over = { state: 'done', outcome, config_version: version, ended_at: now() } as const
    let superseded = false
    await commands.change(node, record.command_id, over, async () => {
      const desired = await configs.desired(node)
      superseded = (desired.history[0]?.version ?? 0) !== base
      if (superseded) return []
      return [configs.planVersion(node, desired, configs.sealed(node, version, config, record.made_by))]
    })
    if (!superseded) {
      this.#asked = version
      await this.#options.answered({ version, at: now(), refusal: null })
    }
    news.commanded(node, { ...record, ...over })
  }

  /** The document that a change starts from: what the device really does, where somebody changed it at the device. */
  #changed(change: StateCommand, desired: Desired, { actual }: ActualRecord): NodeConfig {
    const { node, configs } = this.#options
    const [current] = desired.history
    const isLocal = actual?.version === 'local'
    const base =
      isLocal || !current
        ? this.#revealed(actual?.config ?? EMPTY_NODE_CONFIG, desired)
        : configs.opened(node, current)
    return unmaskSecrets(patched(base, change), base).config
  }

  /** A document that the device told, with the secrets that the hub knows. */
  #revealed(config: NodeConfig, { history: [current] }: Desired): NodeConfig {
    const { node, configs } = this.#options
    return unmaskSecrets(config, current ? configs.opened(node, current) : null).config
  }

  async #over(record: CommandRecord, state: 'done' | 'refused' | 'expired', outcome: Outcome | null) {
    const { node, commands, now, news } = this.#options
    const over = { state, outcome, ended_at: now() } as const
    await commands.change(node, record.command_id, over)
    news.commanded(node, { ...record, ...over })
  }

  /** A device that does not answer has lost its place: it connects again, and is asked again. */
  async #answerOf(asked: Promise<Outcome>): Promise<Outcome> {
    try {
      return await asked
    } catch (error) {
      if (!this.#closed) this.#options.line.close()
      throw error
    }
  }
}

function refusalOf({ code, message, details }: CodedError): Outcome {
  return { state: 'refused', code, reason: message, details: [...details] }
}
