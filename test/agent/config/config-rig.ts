import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigKeeper, type ConfigKeeperOptions } from '../../../agent/config/config-keeper.ts'
import type { CodedError } from '../../../common/errors.ts'
import { createLogger } from '../../../common/logger.ts'
import { EMPTY_NODE_CONFIG, type NodeConfig } from '../../../common/wire/node-config.ts'
import type { NodeReport } from '../../../common/wire/node-report.ts'

/** A target that does as told, and remembers. */
export class RecordingTarget {
  /** Every document that was to be applied, in order. */
  readonly asked: NodeConfig[] = []
  /** What holds now. */
  now: NodeConfig = EMPTY_NODE_CONFIG
  /** The next documents fail with these; undefined: is taken. */
  readonly failures: (CodedError | Error | undefined)[] = []
  /** Holds each `configure` back until it resolves. */
  gate: Promise<void> = Promise.resolve()

  async configure(config: NodeConfig): Promise<void> {
    this.asked.push(config)
    await this.gate
    const failure = this.failures.shift()
    if (failure) throw failure
    this.now = config
  }
}

/** A folder, and keepers that come and go on it as a daemon does. */
export class ConfigRig implements AsyncDisposable {
  readonly folder: string
  target = new RecordingTarget()
  device: NodeReport = {}
  readonly lines: string[] = []
  readonly #kept = new Set<ConfigKeeper>()

  private constructor(folder: string) {
    this.folder = folder
  }

  static async make(): Promise<ConfigRig> {
    return new ConfigRig(await mkdtemp(join(tmpdir(), 'lanecast-config-')))
  }

  /** The device starts: with a new target, as a new process has. */
  async start(options: Partial<ConfigKeeperOptions> = {}): Promise<ConfigKeeper> {
    this.target = new RecordingTarget()
    const logger = createLogger('debug', { write: (line) => void this.lines.push(line) })
    const keeper = await ConfigKeeper.open({
      folder: this.folder,
      hub: 'https://hub.test cam',
      target: this.target,
      device: () => this.device,
      logger,
      ...options,
    })
    this.#kept.add(keeper)
    return keeper
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const keeper of this.#kept) await keeper[Symbol.asyncDispose]()
    await rm(this.folder, { recursive: true, force: true })
  }
}
