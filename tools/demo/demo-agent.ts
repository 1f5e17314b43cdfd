import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { z } from 'zod'
import { enrolBearing } from '../../agent/node/enrolment.ts'
import { saveIdentity } from '../../agent/node/node-identity.ts'
import type { broadcastSchema } from '../../common/wire/node-config.ts'
import { type DemoHub, endProcess } from './demo-hub.ts'

const AGENT = resolve(import.meta.dirname, '../../agent/main.ts')
/** Wait before an agent that ended by itself is started again, ms. */
const AGAIN_MS = 500
const ENROL_WITHIN_MS = 10_000

export interface DemoAgentOptions {
  readonly hub: DemoHub
  /** The folder of the agent's state. */
  readonly folder: string
  readonly broadcast: z.input<typeof broadcastSchema>
  /** Says in words what happens. */
  readonly tell: (line: string) => void
}

/** A field sender of the demo: the agent as a board runs it, with a test card for a camera. Restarted when it ends. */
export class DemoAgent implements AsyncDisposable {
  readonly #options: DemoAgentOptions
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  #child: ChildProcess | null = null

  private constructor(options: DemoAgentOptions) {
    this.#options = options
    this.#running = this.#run()
  }

  /** Makes the machine a node of the demo's hub, and starts the agent. */
  static async start(options: DemoAgentOptions): Promise<DemoAgent> {
    const { hub, folder, broadcast } = options
    await mkdir(folder, { recursive: true })
    // The demo's hub speaks plain HTTP on this machine, where no certificate can be shown.
    const identity = await enrolBearing(
      { hubUrl: hub.url, token: await hub.issueEnrolmentToken(nodeIdOf(options)) },
      (nodeId) => hub.issueNodeKey(nodeId),
      AbortSignal.timeout(ENROL_WITHIN_MS),
    )
    await saveIdentity(join(folder, 'identity.json'), identity)
    await writeFile(join(folder, 'broadcast.json'), JSON.stringify({ broadcasts: [broadcast] }))
    return new DemoAgent(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    if (this.#child) await endProcess(this.#child)
    await this.#running
  }

  async #run(): Promise<void> {
    const { folder, tell } = this.#options
    const { signal } = this.#stopping
    const args = [
      'run',
      '--state-dir',
      folder,
      '--config',
      join(folder, 'broadcast.json'),
      '--log-level',
      'error',
    ]
    while (!signal.aborted) {
      this.#child = spawn(process.execPath, [AGENT, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
      await once(this.#child, 'exit')
      if (signal.aborted) return
      tell(`Sender ${nodeIdOf(this.#options)} ended; starting it again`)
      await delay(AGAIN_MS, undefined, { signal }).catch(() => {})
    }
  }
}

const nodeIdOf = ({ broadcast }: DemoAgentOptions): string => `${broadcast.stream_id}-sender`
