import { z } from 'zod'
import { SYSTEM_CLOCK } from '../../common/clock.ts'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { type Backoff, backoffMs, pause } from '../../common/retry.ts'
import {
  type ActualConfig,
  type DeviceCommand,
  type HubToNode,
  hubToNode,
  type NodeRequests,
  nodeWelcomeSchema,
  type Outcome,
} from '../../common/wire/node-protocol.ts'
import type { BroadcastStatus, NodeReport } from '../../common/wire/node-report.ts'
import type { CommandMemory } from './command-memory.ts'
import { ControlConnection, unknownMethod } from './control-connection.ts'
import type { TlsIdentity } from './tls-identity.ts'

/** Path of the hub's door for nodes. */
const PATH = '/node'
/** A lost connection is mostly back soon. A hub that refuses mostly goes on refusing. */
const LOST: Backoff = { initialMs: 250, maxMs: 5_000, factor: 2 }
const REFUSED: Backoff = { initialMs: 1_000, maxMs: 30_000, factor: 2 }
/** The first samples of the hub's clock come fast, so that a stream's first pictures have its time, ms. */
const FIRST_SAMPLES_MS = [0, 200, 400, 800, 1600]
/** How often the hub's clock is asked for then. A hub that does not answer is gone, ms. */
const SAMPLE_EVERY_MS = 10_000

const clockAnswer = z.object({ hub_unix_ms: z.number() })

/** Where samples of the hub's clock go. */
export interface SampledClock {
  /** A steady reading of this machine's clock, ms. */
  read(): number
  /** The hub's clock showed `hubUnixMs` between two readings of `read`. */
  sample(sentAt: number, hubUnixMs: number, receivedAt: number): void
}

export interface NodeChannelOptions {
  readonly hubUrl: string
  /** Returns the node's present certificate, for each connection. */
  readonly identity: () => TlsIdentity
  readonly clock: SampledClock
  /** Keeps a command that comes again from being done again. */
  readonly memory: CommandMemory
  readonly logger: Logger
}

/** What the device does for its channel. Nothing here may throw, but what `configure` and `command` throw is a refusal. */
export interface NodeChannelListener {
  /** What the device runs and knows at this moment. */
  hello(): {
    readonly actual: ActualConfig | null
    readonly report: NodeReport
    readonly broadcasts: readonly BroadcastStatus[]
  }
  /** Applies the hub's document as a whole, or not at all. One at a time, and never beside `command`. */
  configure(document: HubToNode['configure']): Promise<Outcome>
  command(command: DeviceCommand): Promise<Outcome>
  /** The hub's clock was asked for while the hub hears the device. */
  sampled(): void
  /** The hub hears the device from now on. */
  connected(): void
  /** There may be another release of the agent. */
  releasesChanged(): void
}

/**
 * The node's channel to its hub (docs/protocol.md): open as long as the device runs, and connected again whenever it is
 * lost. Broadcasts do not depend on it.
 */
export class NodeChannel implements AsyncDisposable {
  readonly #options: NodeChannelOptions
  readonly #listener: NodeChannelListener
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #connection: ControlConnection | null = null
  #live = false
  /** The last request of the hub that changes something; never rejects. */
  #work: Promise<unknown> = Promise.resolve()
  #desiredVersion: number | null = null

  constructor(options: NodeChannelOptions, listener: NodeChannelListener) {
    this.#options = options
    this.#listener = listener
    this.#running = this.#run(this.#stop.signal).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) throw error
    })
  }

  /** Whether the hub hears the device now. */
  get live(): boolean {
    return this.#live
  }

  /** The version that the hub wanted at the last welcome; null where nobody has configured the node. */
  get desiredVersion(): number | null {
    return this.#desiredVersion
  }

  /** Tells sections that changed. What changes while the hub is away is told at the next connection. */
  tellReport(sections: NodeReport): void {
    this.#tell('report', sections)
  }

  tellBroadcasts(broadcasts: readonly BroadcastStatus[]): void {
    this.#tell('broadcasts', { broadcasts })
  }

  /** Tells a document that somebody applied at the device. */
  tellActual(actual: ActualConfig): void {
    this.#tell('actual-config', actual)
  }

  /** Ends the channel. What the hub has asked for is still done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#work
  }

  #tell(method: string, data: object): void {
    if (this.#live) this.#connection?.notify(method, data)
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { logger } = this.#options
    for (let failures = 0; ; failures += 1) {
      let backoff = LOST
      try {
        await this.#connected(signal, () => {
          failures = 0
        })
      } catch (error) {
        if (!(error instanceof CodedError)) throw error
        signal.throwIfAborted()
        if (error.code !== 'control_lost') backoff = REFUSED
        if (failures === 0 || backoff === REFUSED)
          logger.warn(
            { code: error.code, reason: error.message },
            'the channel to the hub is lost; connecting again',
          )
      }
      this.#live = false
      signal.throwIfAborted()
      await pause(backoffMs(backoff, failures), signal)
    }
  }

  /** Runs from connecting until the connection is lost. @throws CodedError */
  async #connected(signal: AbortSignal, proved: () => void): Promise<void> {
    const { hubUrl, identity, clock, logger } = this.#options
    using connection = await ControlConnection.open(new URL(PATH, hubUrl).href.replace(/^http/, 'ws'), {
      tls: identity(),
      // Notifications of newer hubs say nothing here.
      notified: (method) => {
        if (method === 'releases') this.#listener.releasesChanged()
      },
      requested: (method, data) => this.#asked(method, data),
      signal,
    })
    this.#connection = connection
    using _ = {
      [Symbol.dispose]: () => {
        this.#connection = null
      },
    }
    const { actual, report, broadcasts } = this.#listener.hello()
    const hello: NodeRequests['node'] = { protocol: 1, actual, report, broadcasts: [...broadcasts] }
    const sentAt = clock.read()
    const welcome = nodeWelcomeSchema.safeParse(await connection.request('node', hello)).data
    if (!welcome)
      throw new CodedError('control_not_understood', 'the hub answers in a way that is not understood')
    clock.sample(sentAt, welcome.hub_unix_ms, clock.read())
    proved()
    this.#desiredVersion = welcome.desired_version
    logger.info(
      { node_id: welcome.node_id, desired_version: welcome.desired_version },
      'the hub hears the device',
    )
    this.#live = true
    this.#listener.connected()
    await this.#sampleUntilOver(connection, signal)
  }

  async #sampleUntilOver(connection: ControlConnection, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const over = new AbortController()
    void connection.closed.then(() => over.abort())
    const either = AbortSignal.any([signal, over.signal])
    for (let count = 0; !either.aborted; count += 1) {
      await pause(FIRST_SAMPLES_MS[count] ?? SAMPLE_EVERY_MS, either).catch(() => {})
      if (either.aborted) return
      const sentAt = clock.read()
      const answer = clockAnswer.safeParse(await connection.request('clock', {})).data
      if (!answer) continue
      clock.sample(sentAt, answer.hub_unix_ms, clock.read())
      this.#listener.sampled()
    }
  }

  /** A request of the hub. Requests that change something take turns. */
  #asked(method: string, data: unknown): Promise<Outcome> {
    const arrivedAt = SYSTEM_CLOCK.steady()
    if (method === 'configure') {
      const document = understood(hubToNode.configure, data)
      return this.#inTurn(() => this.#configure(document))
    }
    if (method === 'command') {
      const command = understood(hubToNode.command, data)
      return this.#inTurn(() => this.#command(command, arrivedAt))
    }
    throw unknownMethod(method)
  }

  #inTurn(work: () => Promise<Outcome>): Promise<Outcome> {
    const done = this.#work.then(() => outcomeOf(work))
    this.#work = done
    return done
  }

  async #configure(document: HubToNode['configure']): Promise<Outcome> {
    const { logger } = this.#options
    const outcome = await this.#listener.configure(document)
    const { version } = document
    if (outcome.state === 'done') logger.info({ version }, 'configuration of the hub applied')
    else logger.warn({ version, ...outcome }, 'configuration of the hub refused; the one before holds')
    const { actual } = this.#listener.hello()
    if (outcome.state === 'done' && actual) this.tellActual(actual)
    return outcome
  }

  async #command(
    { command_id, expires_in_ms, command }: HubToNode['command'],
    arrivedAt: number,
  ): Promise<Outcome> {
    const { logger, memory } = this.#options
    const known = memory.outcomeOf(command_id)
    if (known) return known
    if (SYSTEM_CLOCK.steady() - arrivedAt > expires_in_ms)
      return { state: 'refused', code: 'expired', reason: 'the command came too late', details: [] }
    await memory.begin(command_id, command)
    const outcome = await outcomeOf(() => this.#listener.command(command))
    await memory.end(command_id, outcome)
    logger.info({ command_id, command: command.do, state: outcome.state }, 'command of the hub')
    return outcome
  }
}

function understood<Schema extends z.ZodType>(schema: Schema, data: unknown): z.output<Schema> {
  const parsed = schema.safeParse(data)
  if (parsed.success) return parsed.data
  throw new CodedError('bad_request', 'the request does not fit its schema', {
    details: z.prettifyError(parsed.error).split('\n').slice(0, 10),
  })
}

/** Whatever is thrown is a refusal: the device goes on as before. */
async function outcomeOf(work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await work()
  } catch (thrown) {
    const { code, details } = thrown instanceof CodedError ? thrown : { code: 'internal', details: [] }
    return {
      state: 'refused',
      code,
      reason: messageOf(thrown).slice(0, 1000),
      details: details.slice(0, 20).map((line) => line.slice(0, 300)),
    }
  }
}
