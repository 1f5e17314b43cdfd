import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { askLocalAgent } from '../../agent/cli/local-agent.ts'
import { type AgentStatus, agentStatusSchema } from '../../agent/daemon/agent-status.ts'
import type { nodeConfigSchema } from '../../common/wire/node-config.ts'
import { type Outcome, outcomeSchema } from '../../common/wire/node-protocol.ts'
import type { TestHub } from './hub.ts'
import { type Enter, nodeIn } from './namespaces.ts'
import { trustHub } from './trust-hub.ts'
import { until } from './until.ts'

const PROGRAM = resolve(import.meta.dirname, '../../agent/main.ts')

/** As deploy/agent/lanecast-agent has them. */
const NODE_FLAGS = ['--max-semi-space-size=1']

export type ConfigInput = z.input<typeof nodeConfigSchema>

/** What a call of `lanecast-agent` said. */
export interface AgentCall {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface AgentPlace {
  /** Network namespace of the program; this process's own by default. */
  readonly enter?: Enter
  readonly env?: Readonly<Record<string, string>>
}

/** Calls `lanecast-agent` once. */
export async function callAgent(args: readonly string[], place: AgentPlace = {}): Promise<AgentCall> {
  const child = startProgram(args, place, 'pipe')
  const ended = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : null))
  const [code, out, err] = await Promise.all([ended, text(child.stdout!), text(child.stderr!)])
  return { code, out, err }
}

/** What an operator hands over: the arguments of `enrol`. */
export interface EnrolmentArguments {
  readonly hubUrl: string
  /** With the pin of the hub's CA. */
  readonly token: string
}

/** An operator's token for a machine, at a hub with a CA of its own. This process trusts that hub from then on. */
export async function enrolmentOf(hub: TestHub, nodeId: string): Promise<EnrolmentArguments> {
  await trustHub(hub)
  const wanted = { tenant_id: 'default', roles: ['sender'], node_id: nodeId, capabilities: ['*'] }
  const { text: words } = textIn.parse((await hub.api('POST', '/v1/enrolment-tokens', wanted)).body)
  const [hubUrl = '', withPin = ''] = words.split(' ')
  return { hubUrl, token: withPin }
}

/** An enrolled machine with its state folder, on which agents start and end. */
export class AgentMachine implements AsyncDisposable {
  readonly folder: string
  readonly nodeId: string
  readonly #place: AgentPlace
  #child: ChildProcess | null = null

  private constructor(folder: string, nodeId: string, place: AgentPlace) {
    this.folder = folder
    this.nodeId = nodeId
    this.#place = place
  }

  /** Enrols a machine at a hub with TLS, as an operator would. */
  static async enrol(hub: TestHub, nodeId: string, place: AgentPlace = {}): Promise<AgentMachine> {
    const { hubUrl, token } = await enrolmentOf(hub, nodeId)
    const folder = await mkdtemp(join(tmpdir(), 'lanecast-agent-'))
    const args = ['enrol', hubUrl, token, '--state-dir', folder]
    const { code, err } = await callAgent(args, place)
    if (code !== 0) throw new Error(`the machine was not enrolled: ${err}`)
    return new AgentMachine(folder, nodeId, place)
  }

  /** The running agent's process. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Starts the agent, with a document that its owner wrote if there is one. Resolves when its door is open. */
  async start(config?: ConfigInput, logLevel = 'error'): Promise<void> {
    const args = ['run', '--state-dir', this.folder, '--log-level', logLevel]
    if (config) {
      const file = join(this.folder, 'local.json')
      await writeFile(file, JSON.stringify(config))
      args.push('--config', file)
    }
    const child = startProgram(args, this.#place, 'inherit')
    this.#child = child
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`the agent ended with ${child.exitCode}`)
      return this.status().catch(() => null)
    }, 'the agent runs')
  }

  async status(): Promise<AgentStatus> {
    return agentStatusSchema.parse(await askLocalAgent(join(this.folder, 'agent.sock'), 'GET', '/status'))
  }

  /** Applies a document at the device itself. */
  async apply(config: unknown): Promise<Outcome> {
    return outcomeSchema.parse(await askLocalAgent(join(this.folder, 'agent.sock'), 'PUT', '/config', config))
  }

  /** Ends the agent. @returns its exit code */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child
    this.#child = null
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
    return child.exitCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
    await rm(this.folder, { recursive: true, force: true })
  }
}

function startProgram(args: readonly string[], place: AgentPlace, output: 'pipe' | 'inherit'): ChildProcess {
  const { execPath = process.execPath, execArgv = [] } = nodeIn(place.enter)
  return spawn(execPath, [...execArgv, ...NODE_FLAGS, PROGRAM, ...args], {
    stdio: ['ignore', output, output],
    env: { ...process.env, ...place.env },
  })
}

const textIn = z.object({ text: z.string() })
