import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { ChildWatch } from '../common/supervision/child-watch.ts'
import { compileCacheEnv } from '../common/supervision/compile-cache.ts'
import { Supervisor, type SupervisorCounts } from '../common/supervision/supervisor.ts'
import {
  type HubToTurn,
  type TurnReady,
  type TurnStart,
  type TurnToHub,
  turnToHubSchema,
} from '../common/wire/turn-ipc.ts'
import { EndedContracts } from './ended-contracts.ts'
import { handOver } from './hand-over.ts'

const ENTRY = fileURLToPath(new URL('./turn-main.ts', import.meta.url))
const PACE = { initialMs: 100, maxMs: 10_000, factor: 2, healthyMs: 10_000 }
const STOP_WITHIN_MS = 1500
/** The process reports once a second. */
const SILENCE = { startMs: 10_000, workMs: 4000 }
/** Packets are in buffers outside the heap: the young generation, which takes up to 48 MB by default, needs little room. */
const NODE_FLAGS = ['--max-semi-space-size=2']

export type TurnState = Extract<TurnToHub, { type: 'state' }>
export type TurnRefused = Extract<TurnToHub, { type: 'refused' }>

export interface TurnListener {
  /** The process's ports are open: this one's, or a successor's. */
  ready(bound: TurnReady): void
  /** Once a second. Counters begin anew with each process. */
  state(state: TurnState): void
  refused(refused: TurnRefused): void
  /**
   * The process can't work, such as where a port is taken (`failed`), is at fault (`hangs`, `broken`, `stray`), or ended
   * without being asked to (`died`). Its successor is on the way.
   */
  trouble(kind: 'failed' | 'died' | 'hangs' | 'broken' | 'stray', what: string): void
}

export interface TurnProcessOptions {
  readonly start: Omit<TurnStart, 'type' | 'ended'>
  readonly watch: ChildWatch
  readonly listener: TurnListener
}

/**
 * The hub's side of the TURN process. A process that dies is replaced with back-off; allocations die with it, and clients
 * make new ones. Each process knows the contracts that ended lately.
 */
export class TurnProcess implements AsyncDisposable {
  readonly #supervisor: Supervisor<HubToTurn, TurnToHub>
  readonly #ended = new EndedContracts()
  #start: TurnProcessOptions['start']
  #ready: TurnReady | null = null

  constructor({ start, watch, listener }: TurnProcessOptions) {
    this.#start = start
    this.#supervisor = new Supervisor({
      name: 'turn',
      program: () => ({ entry: ENTRY, nodeFlags: NODE_FLAGS, env: compileCacheEnv }),
      said: turnToHubSchema,
      pace: PACE,
      stopWithinMs: STOP_WITHIN_MS,
      silence: { watch, ...SILENCE },
      trouble: (kind, what) => listener.trouble(kind, what),
      started: (child) =>
        child.send({
          type: 'start',
          ...this.#start,
          ended: this.#ended.list(performance.now()),
        } satisfies HubToTurn),
      heard: (message) => this.#heard(message, listener),
      ended: ({ how }) => {
        this.#ready = null
        listener.trouble('died', `turn process: ${how}`)
      },
    })
  }

  /** Process id of the process that runs now, for operators and tests. */
  get pid(): number | undefined {
    return this.#supervisor.child?.pid
  }

  /** The open ports; null while there is no process that works. */
  get ready(): TurnReady | null {
    return this.#ready
  }

  get counts(): SupervisorCounts {
    return this.#supervisor.counts
  }

  /** The contract's allocations end, and its credentials admit nobody any more. */
  endContract(contractId: string): void {
    this.#ended.add(contractId, performance.now())
    this.#supervisor.tell({ type: 'end', contract_id: contractId })
  }

  /** New connections over TLS get this certificate, PEM. Running ones go on. */
  certificate(cert: string, key: string): void {
    this.#start = { ...this.#start, tls: { cert, key } }
    this.#supervisor.tell({ type: 'certificate', cert, key })
  }

  /**
   * Takes a connection that agreed on TLS on another port and speaks TURN.
   * @param first what was read of it already
   * @returns false while there is no process that works
   */
  take(socket: Socket, first: Buffer): boolean {
    const handed = this.#ready?.handed
    if (!handed) return false
    handOver(socket, first, handed)
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#supervisor[Symbol.asyncDispose]()
    this.#ready = null
  }

  #heard(message: TurnToHub, listener: TurnListener): void {
    switch (message.type) {
      case 'ready': {
        const { type, ...bound } = message
        this.#ready = bound
        this.#supervisor.working()
        return listener.ready(bound)
      }
      case 'state':
        return listener.state(message)
      case 'refused':
        return listener.refused(message)
      case 'failed':
        return listener.trouble('failed', message.message)
    }
  }
}
