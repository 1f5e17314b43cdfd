import { fileURLToPath } from 'node:url'
import { CodedError, messageOf } from '../../common/errors.ts'
import { type Logger, levelOf } from '../../common/logger.ts'
import type { ChildWatch } from '../../common/supervision/child-watch.ts'
import type { StartGate } from '../../common/supervision/start-gate.ts'
import { type ChildEnd, Supervisor } from '../../common/supervision/supervisor.ts'
import {
  type HubToIngress,
  type IngressToHub,
  ingressToHubSchema,
  type RistInput,
} from '../../common/wire/ingress-ipc.ts'
import { fillCompileCache, packetProcess } from '../packet-process.ts'
import { KnockGate } from './knock-gate.ts'
import { KnockListener } from './knock-listener.ts'

const ENTRY = fileURLToPath(new URL('./ingress-main.ts', import.meta.url))
const PACE = { initialMs: 50, maxMs: 5000, factor: 2, healthyMs: 10_000 }
/** The process reports its cursors ten times a second. A new process has more to do before it listens. */
const SILENCE = { startMs: 10_000, workMs: 3000 }
const STOP_WITHIN_MS = 1500

export interface IngressSpec {
  readonly streamId: string
  /** The process's input, asked again for each process, because the buffer is fitted while a process runs. */
  readonly input: () => RistInput
  /** Loopback port from which RTP leaves, the same for every process of this stream. */
  readonly rtpPort: number
  /** No process runs while nobody sends: the hub holds the ports until a sender knocks. */
  readonly awaitsKnock: boolean
}

/** What the ingress processes of all streams share. */
export interface IngressSupervision {
  readonly watch: ChildWatch
  readonly gate: StartGate
}

/** What the stream does with its ingress's reports. */
export interface IngressListener {
  message(message: IngressToHub): void
  /** The process ended by itself. Its successor is on the way. */
  died(how: string): void
  /** The process ended because there is no sender. Its successor comes when a sender knocks. */
  retired(): void
  /** Another program has one of the stream's ports, in words; null where the ports are there again. */
  portsTaken(why: string | null): void
}

/** Prepares once what all ingress processes use. Streams that are opened later start without waiting for it. */
export function prepareIngress(): Promise<void> {
  return fillCompileCache(ENTRY)
}

/**
 * Keeps one ingress process running for one stream while there is a sender: holds the ports until a sender knocks, and
 * ends the process when the sender is long gone. The stream must repeat to a new process what it said about its lane.
 */
export class IngressSupervisor implements AsyncDisposable {
  readonly #spec: IngressSpec
  readonly #listener: IngressListener
  readonly #logger: Logger
  readonly #knocks = new KnockGate(performance.now())
  readonly #supervisor: Supervisor<HubToIngress, IngressToHub>
  /** Holds the ports until the process can take them. */
  #held: KnockListener | null = null
  /** At the last report media came through the process: viewers wait for its successor. */
  #flowing = false
  /** A sender has proved itself since the last knock, and need not knock again. */
  #proven = false
  /** Why the ports can't be had, as it was told last. */
  #portsTaken: string | null = null

  constructor(spec: IngressSpec, listener: IngressListener, shared: IngressSupervision, logger: Logger) {
    this.#spec = spec
    this.#listener = listener
    this.#logger = logger.child({ room: 'sfu', stream_id: spec.streamId })
    this.#supervisor = new Supervisor<HubToIngress, IngressToHub>({
      name: 'ingress',
      program: () => packetProcess(ENTRY),
      said: ingressToHubSchema,
      pace: PACE,
      silence: { ...SILENCE, watch: shared.watch },
      stopWithinMs: STOP_WITHIN_MS,
      gate: { gate: shared.gate, urgent: () => this.#flowing },
      needed: (signal) => this.#needed(signal),
      heard: (message) => this.#heard(message),
      trouble: (kind, message) => listener.message({ type: 'failed', code: `ingress_${kind}`, message }),
      ended: (end) => this.#ended(end),
      failed: (error) => {
        const code = error instanceof CodedError ? error.code : 'ingress_failed'
        this.#failed({ type: 'failed', code, message: messageOf(error) })
      },
    })
  }

  /** Process id of the ingress that runs now, for tests and operators. */
  get pid(): number | undefined {
    return this.#supervisor.child?.pid
  }

  /** Sends a message to the process. Without a process it is lost: the successor will report and be told again. */
  send(message: HubToIngress): void {
    this.#supervisor.tell(message)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#supervisor[Symbol.asyncDispose]()
    this.#letGo()
  }

  /** @throws CodedError `rist_port_unavailable`, and the signal's reason when it is aborted */
  async #needed(signal: AbortSignal): Promise<void> {
    if (this.#spec.awaitsKnock && !this.#proven) await this.#knock(signal)
    await prepareIngress()
  }

  /** Holds the ports until a sender knocks, and after that until the process can take them. */
  async #knock(signal: AbortSignal): Promise<void> {
    const knocked = Promise.withResolvers<void>()
    using stack = new DisposableStack()
    const held = stack.use(this.#holdPorts(knocked.resolve))
    this.#tellPorts(null)
    held.listen()
    await untilAborted(knocked.promise, signal)
    stack.move()
    this.#held = held
  }

  #holdPorts(onKnock: () => void): KnockListener {
    const { address, links, aes_bits } = this.#spec.input()
    return new KnockListener({
      address,
      links,
      aesBits: aes_bits,
      onKnock: (source) => {
        const answered = this.#knocks.answers(source, performance.now())
        if (answered) onKnock()
        return answered
      },
      onRejected: (rejection) => this.#listener.message({ type: 'rejected', ...rejection }),
    })
  }

  #letGo(): void {
    this.#held?.[Symbol.dispose]()
    this.#held = null
  }

  #heard(message: IngressToHub): void {
    switch (message.type) {
      case 'loaded':
        this.#letGo()
        this.#start()
        break
      case 'ready':
        this.#supervisor.working()
        this.#tellPorts(null)
        this.#logger.info({ child_pid: this.pid }, 'ingress listens')
        break
      case 'flow':
        this.#proven = true
        break
      case 'media':
        this.#flowing = message.flowing
        break
      case 'unused':
        this.#proven ||= message.proven
        // The next process comes with the next knock.
        if (this.#spec.awaitsKnock) this.#supervisor.retire()
        break
      case 'failed':
        return this.#failed(message)
    }
    this.#listener.message(message)
  }

  #failed(message: Extract<IngressToHub, { type: 'failed' }>): void {
    if (message.code === 'rist_port_unavailable') this.#tellPorts(message.message)
    else this.#listener.message(message)
  }

  /** It is tried again and again, and told when it changes. */
  #tellPorts(taken: string | null): void {
    if (taken === this.#portsTaken) return
    this.#portsTaken = taken
    this.#listener.portsTaken(taken)
  }

  #start(): void {
    const { streamId, input, rtpPort } = this.#spec
    this.send({
      type: 'start',
      stream_id: streamId,
      // The present level, which may change while the hub runs.
      log_level: levelOf(this.#logger),
      input: input(),
      rtp_port: rtpPort,
    })
  }

  #ended({ how, retired }: ChildEnd): void {
    this.#letGo()
    if (!retired) return this.#listener.died(how)
    this.#logger.info({ proven: this.#proven }, 'no sender: the ports are held until one knocks')
    if (this.#proven) this.#knocks.proved()
    else this.#knocks.cameToNothing(performance.now())
    this.#flowing = false
    this.#proven = false
    this.#listener.retired()
  }
}

/** Waits for a promise. @throws the signal's reason when it is aborted first */
async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    if (signal.aborted) throw signal.reason
    await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
