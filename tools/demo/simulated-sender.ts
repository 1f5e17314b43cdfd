import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { DemoAgentOptions } from './demo-agent.ts'
import { endProcess } from './demo-hub.ts'
import { type FieldSenderConfig, fieldSenderReport } from './field-sender-config.ts'

const PROGRAM = resolve(import.meta.dirname, 'field-sender.ts')
/** Wait before a sender that ended by itself is started again, ms. */
const AGAIN_MS = 500

/** A field sender of the demo on a machine without GStreamer: ffmpeg encodes. Restarted when it ends. */
export class SimulatedSender implements AsyncDisposable {
  readonly #options: DemoAgentOptions
  readonly #token: string
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  #child: ChildProcess | null = null

  private constructor(options: DemoAgentOptions, token: string) {
    this.#options = options
    this.#token = token
    this.#running = this.#run()
  }

  static async start(options: DemoAgentOptions): Promise<SimulatedSender> {
    return new SimulatedSender(options, await options.hub.issuePublisherKey(options.broadcast.stream_id))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    if (this.#child) await endProcess(this.#child)
    await this.#running
  }

  async #run(): Promise<void> {
    const { tell, broadcast } = this.#options
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const child = fork(PROGRAM, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
      this.#child = child
      // The token goes over the message channel only.
      child.send(this.#config)
      child.on('message', (raw) => {
        const report = fieldSenderReport.safeParse(raw)
        if (report.data?.type === 'refused') tell(`Sender ${broadcast.stream_id}: ${report.data.message}`)
      })
      await once(child, 'exit')
      if (signal.aborted) return
      tell(`Sender ${broadcast.stream_id} ended; starting it again`)
      await delay(AGAIN_MS, undefined, { signal }).catch(() => {})
    }
  }

  get #config(): FieldSenderConfig {
    const { hub, broadcast } = this.#options
    return {
      hub_url: hub.url,
      token: this.#token,
      stream_id: broadcast.stream_id,
      class: broadcast.class,
      card: { name: broadcast.stream_id, ...((broadcast.renditions?.length ?? 2) > 1 && { renditions: 2 }) },
      logLevel: 'error',
    }
  }
}
