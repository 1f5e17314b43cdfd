import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { z } from 'zod'
import { hubErrorSchema } from '../../common/wire/hub-error.ts'
import type { policyDocumentSchema } from '../../common/wire/policy-document.ts'
import type { createProgramSchema } from '../../common/wire/programs-api.ts'
import { DEFAULT_TENANT } from '../../common/wire/stream.ts'

const HUB = resolve(import.meta.dirname, '../../server/main.ts')

export interface DemoHubOptions {
  /** `HOST:PORT` of the hub's pages and API. */
  readonly bind: string
  /** The folder for the hub's state. It is new, so that the hub makes its admin token. */
  readonly dataFolder: string
  readonly logLevel: 'info' | 'error'
}

const hubReady = z.object({ type: z.literal('ready'), url: z.string(), admin_token: z.string() })
const issued = z.object({ token: z.string() })

/** A hub in a process of its own, with its admin's calls. */
export class DemoHub implements AsyncDisposable {
  readonly url: string
  readonly process: ChildProcess
  /** The hub's admin token. */
  readonly adminToken: string

  private constructor(process: ChildProcess, ready: z.infer<typeof hubReady>) {
    this.process = process
    this.url = ready.url
    this.adminToken = ready.admin_token
  }

  /** @throws when the hub ends instead of becoming ready; it has said why on standard error */
  static async start({ bind, dataFolder, logLevel }: DemoHubOptions): Promise<DemoHub> {
    const args = ['--bind', bind, '--data-dir', dataFolder, '--log-level', logLevel]
    // Makes webhooks usable in the demo: whoever has the demo's tokens has this machine.
    args.push('--webhook-networks', '127.0.0.0/8')
    // Other settings of this machine are not for the demo.
    const { AMNESIA: _memory, DATABASE_URL: _database, KEYS_FILE: _keys, ...env } = process.env
    const child = fork(HUB, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env })
    const ready = await Promise.race([
      once(child, 'message').then(([message]) => hubReady.parse(message)),
      once(child, 'exit').then(() => {
        throw new Error('the hub did not start: the lines above say why')
      }),
    ])
    return new DemoHub(child, ready)
  }

  /** Puts the first policy of the default tenant in force. */
  async putPolicy(document: z.input<typeof policyDocumentSchema>): Promise<void> {
    await this.#ask('PUT', `/v1/policies/${DEFAULT_TENANT}`, document, { 'if-match': '"0"' })
  }

  /** Makes a program of the default tenant. */
  async createProgram(program: z.input<typeof createProgramSchema>): Promise<void> {
    await this.#ask('POST', '/v1/programs', { tenant_id: DEFAULT_TENANT, ...program })
  }

  /** Puts an input of a program on air. @throws where it has no media now */
  async take(programId: string, input: string): Promise<void> {
    await this.#ask('POST', `/v1/programs/${programId}/take`, { input })
  }

  /** A token that makes a machine a field sender's node, once. */
  async issueEnrolmentToken(nodeId: string): Promise<string> {
    const answer = await this.#ask('POST', '/v1/enrolment-tokens', {
      tenant_id: DEFAULT_TENANT,
      roles: ['sender'],
      node_id: nodeId,
    })
    return issued.parse(answer).token
  }

  /** A key that lets its holder publish one stream, and nothing else. */
  async issuePublisherKey(streamId: string): Promise<string> {
    const answer = await this.#ask('POST', '/v1/tokens', {
      type: 'api-key',
      subject: `${streamId}-sender`,
      role: 'publisher',
      tenant_id: DEFAULT_TENANT,
      grants: { streams: [streamId], actions: ['publish'] },
    })
    return issued.parse(answer).token
  }

  /** A key of a field sender's node. */
  async issueNodeKey(nodeId: string): Promise<string> {
    const answer = await this.#ask('POST', '/v1/tokens', {
      type: 'api-key',
      subject: nodeId,
      role: 'node',
      tenant_id: DEFAULT_TENANT,
      node_id: nodeId,
    })
    return issued.parse(answer).token
  }

  [Symbol.asyncDispose](): Promise<void> {
    return endProcess(this.process)
  }

  async #ask(
    method: string,
    path: string,
    body: object,
    headers: Record<string, string> = {},
  ): Promise<unknown> {
    const response = await fetch(new URL(path, this.url), {
      method,
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${this.adminToken}`,
        ...headers,
      },
      body: JSON.stringify(body),
    })
    const answer: unknown = await response.json()
    if (response.ok) return answer
    const error = hubErrorSchema.safeParse(answer).data?.error
    throw new Error(`the hub refused ${method} ${path}: ${error?.message ?? response.status}`)
  }
}

/** Sends SIGTERM, and SIGKILL when that is not enough. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), 5000)
  await gone
  clearTimeout(killer)
}
