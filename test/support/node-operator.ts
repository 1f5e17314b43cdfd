import {
  type CommandView,
  commandViewSchema,
  type NodeConfigView,
  type NodeReportView,
  nodeConfigViewSchema,
  nodeReportViewSchema,
} from '../../common/wire/nodes-api.ts'
import type { ConfigInput } from './field-agent.ts'
import type { TestHub } from './hub.ts'
import { until } from './until.ts'

/** Who tells a field sender what to do, by the hub's API. */
export class NodeOperator {
  readonly #hub: () => TestHub
  readonly #path: string

  /** @param hub the one that runs now */
  constructor(hub: () => TestHub, nodeId: string) {
    this.#hub = hub
    this.#path = `/v1/nodes/${nodeId}`
  }

  /** What the device is to do, and does. */
  async config(): Promise<NodeConfigView> {
    return nodeConfigViewSchema.parse(await this.#ask('GET', 'config'))
  }

  /** What the device tells of itself. */
  async report(): Promise<NodeReportView> {
    return nodeReportViewSchema.parse(await this.#ask('GET', 'report'))
  }

  /** Gives the device a document, and resolves with its answer. */
  async configure(config: ConfigInput): Promise<NodeConfigView> {
    await this.#ask('PUT', 'config', config)
    return until(async () => {
      const now = await this.config()
      return now.state === 'pending' ? null : now
    }, 'the device answers the document')
  }

  /** Queues a command, and resolves when it is over. */
  async command(command: object): Promise<CommandView> {
    const { command_id } = commandViewSchema.parse(await this.#ask('POST', 'commands', { command }))
    return until(
      async () => {
        const now = commandViewSchema.parse(await this.#ask('GET', `commands/${command_id}`))
        return now.state === 'waiting' || now.state === 'sent' ? null : now
      },
      `${JSON.stringify(command)} is over`,
    )
  }

  async #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.#hub().api(method, `${this.#path}/${path}`, body)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }
}
