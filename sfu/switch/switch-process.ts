import { fileURLToPath } from 'node:url'
import type { ChildWatch } from '../../common/supervision/child-watch.ts'
import type { StartGate } from '../../common/supervision/start-gate.ts'
import { Supervisor } from '../../common/supervision/supervisor.ts'
import { type HubToSwitch, type SwitchToHub, switchToHubSchema } from '../../common/wire/switch-ipc.ts'
import { packetProcess } from '../packet-process.ts'

const ENTRY = fileURLToPath(new URL('./switch-main.ts', import.meta.url))
const PACE = { initialMs: 20, maxMs: 5000, factor: 2, healthyMs: 10_000 }
const STOP_WITHIN_MS = 1500
/** The process reports ten times a second. */
const SILENCE = { startMs: 10_000, workMs: 3000 }

export interface SwitchProcessListener {
  /** Whether something is on air: such processes start first. */
  isLive(): boolean
  /** A process was started: tells it everything, in order, by `tell`. */
  started(tell: (message: HubToSwitch) => void): void
  heard(message: SwitchToHub): void
  /** The process ended without being asked to. Its successor is on the way. */
  died(how: string): void
  /** The process is at fault. */
  trouble(kind: string, what: string): void
}

/** What the switch processes of all lanes share. */
export interface SwitchProcesses {
  readonly watch: ChildWatch
  readonly gate: StartGate
}

/**
 * The hub's side of the switch process of one lane. The first one starts when it is needed; a process that dies is
 * replaced.
 */
export class SwitchProcess implements AsyncDisposable {
  #isNeeded = false
  #wake = (): void => {}
  readonly #supervisor: Supervisor<HubToSwitch, SwitchToHub>

  constructor({ watch, gate }: SwitchProcesses, listener: SwitchProcessListener) {
    this.#supervisor = new Supervisor({
      name: 'switch',
      program: () => packetProcess(ENTRY),
      said: switchToHubSchema,
      pace: PACE,
      stopWithinMs: STOP_WITHIN_MS,
      silence: { watch, ...SILENCE },
      gate: { gate, urgent: () => listener.isLive() },
      needed: async (signal) => {
        if (this.#isNeeded) return
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        this.#wake = resolve
        await promise
      },
      trouble: (kind, what) => listener.trouble(kind, what),
      started: (child) => listener.started((message) => child.send(message)),
      heard: (message) => {
        if (message.type === 'ready') this.#supervisor.working()
        else if (message.type === 'failed') listener.trouble('failed', message.message)
        else listener.heard(message)
      },
      ended: ({ how }) => listener.died(how),
    })
  }

  /** Process id of the process that runs now, for operators and tests. */
  get pid(): number | undefined {
    return this.#supervisor.child?.pid
  }

  /** There is something to switch. */
  start(): void {
    this.#isNeeded = true
    this.#wake()
  }

  /** Without a process the message is lost: `started` tells its successor. */
  tell(message: HubToSwitch): void {
    this.#supervisor.tell(message)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#supervisor[Symbol.asyncDispose]()
  }
}
