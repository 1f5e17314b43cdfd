import { resolve } from 'node:path'
import { isErrorCode } from '../../common/error-codes.ts'
import { CodedError } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { Child } from '../../common/supervision/child.ts'
import { ChildWatch } from '../../common/supervision/child-watch.ts'
import { compileCacheEnv } from '../../common/supervision/compile-cache.ts'
import { Supervisor } from '../../common/supervision/supervisor.ts'
import type { FlowContract, Via } from '../../common/wire/flow-contract.ts'
import type { LinkArrivals } from '../../common/wire/link-arrivals.ts'
import type { BondReport } from '../bond/bond-report.ts'
import type { BondSettings } from '../bond/bond-terms.ts'
import type { TlsIdentity } from '../node/tls-identity.ts'
import type { ContractLinkStats } from './contract-sender.ts'
import { type SenderCommand, type SenderReport, senderReportSchema } from './sender-protocol.ts'
import { frameHeader, MAX_FRAME_BYTES } from './ts-frames.ts'

const MAIN = resolve(import.meta.dirname, 'sender-main.ts')
/** Packets are in buffers outside the heap, as in an ingress process. */
const NODE_FLAGS = ['--max-semi-space-size=1']
const PACE = { initialMs: 250, maxMs: 10_000, factor: 2, healthyMs: 10_000 }
/** The process says something twice a second. */
const SILENCE = { startMs: 10_000, workMs: 3000 }
/** librist takes some time to end its threads. */
const STOP_MS = 2000
/** Most bytes that wait for a process that reads nothing: half a second of 16 Mb/s. Then whole writes are dropped. */
const MAX_WAITING_BYTES = 1024 * 1024

export interface SenderProcessEvents {
  /** The receiver knows the sender on one more link, and has seen nothing of the stream if it is the first. */
  authenticated(): void
  /** Each second, once per link. */
  stats(stats: ContractLinkStats): void
  /** Whether anything gets through, whenever that changes. At first nothing does. */
  carries?(carries: boolean): void
  /** What was written just now, or a part of it, was given up. */
  late?(): void
  /** The way of each link, by its index among the contract's endpoints, whenever one changes. */
  ways?(ways: ReadonlyMap<number, Via>): void
  /** The bitrate that the links carry, the renditions that there is room for, and the links. */
  bond?(report: BondReport): void
  /** The process ended by its own fault. Its successor goes on with the same contract. */
  ended?(how: string): void
}

export interface SenderProcessOptions {
  readonly hubUrl: string
  /** The node's present identity, for detours that the hub carries; left out by senders that have none. */
  readonly identity?: () => TlsIdentity
  /** Leaves out MPEG-TS null packets; the receiver puts them back. */
  readonly nullPacketDeletion: boolean
  readonly logger: Logger
  readonly events: SenderProcessEvents
}

interface Change {
  readonly number: number
  /** null: send nothing. */
  readonly contract: FlowContract | null
  readonly links: readonly string[] | null
  readonly done: PromiseWithResolvers<void>
}

/**
 * Sends one MPEG-TS by a contract, as `ContractSender` does, in a process of its own: librist can crash or hang without
 * its caller. A process that ends or hangs is replaced, and its successor sends by the last contract.
 */
export class SenderProcess implements AsyncDisposable {
  readonly #options: SenderProcessOptions
  readonly #watch = new ChildWatch()
  readonly #supervisor: Supervisor<SenderCommand, SenderReport>
  /** Changes that are not answered yet, in their order. */
  #changes: Change[] = []
  #last: Change | null = null
  /** The identity that the process has. */
  #told: TlsIdentity | null = null
  #settings: BondSettings | null = null
  #dropped = 0
  #waitingMs = 0
  #carries = false
  #late = 0

  constructor(options: SenderProcessOptions) {
    const { hubUrl, nullPacketDeletion, logger } = options
    this.#options = options
    this.#supervisor = new Supervisor<SenderCommand, SenderReport>({
      name: 'sender',
      program: () => ({ entry: MAIN, nodeFlags: NODE_FLAGS, env: compileCacheEnv, takesInput: true }),
      said: senderReportSchema,
      pace: PACE,
      silence: { ...SILENCE, watch: this.#watch },
      stopWithinMs: STOP_MS,
      started: (child) => {
        this.#late = 0
        const identity = this.#identity()
        child.send({ type: 'start', hub_url: hubUrl, identity, null_packet_deletion: nullPacketDeletion })
        if (this.#settings) child.send({ type: 'settings', settings: this.#settings })
        if (this.#last) child.send(commandOf(this.#last))
      },
      heard: (report) => this.#heard(report),
      trouble: (_kind, what) => logger.error(what),
      ended: ({ how, retired, againMs }) => {
        this.#tellCarries(false)
        if (retired) return
        logger.error({ how, again_ms: Math.round(againMs) }, 'sender process ended')
        options.events.ended?.(how)
      },
    })
  }

  /** How often a process was replaced. */
  get restarts(): number {
    return Math.max(0, this.#supervisor.counts.starts - 1)
  }

  /** Writes that no process took in time, or that the contract's pacing held back for too long. */
  get dropped(): number {
    return this.#dropped
  }

  /** What the contract's pacing holds back, as told twice a second, ms. */
  get waitingMs(): number {
    return this.#waitingMs
  }

  /**
   * Sends by this contract from now on, also in later processes. Resolves when it does, or by a later one.
   * @param links the links that may be used, by their ids; null for all
   * @throws CodedError `contract_not_rist`, or what BondedSender throws; then nothing is sent
   */
  apply(contract: FlowContract, links: readonly string[] | null = null): Promise<void> {
    return this.#change(contract, links)
  }

  /** Stops sending. The process stays. */
  stop(): Promise<void> {
    return this.#change(null, null)
  }

  /** What the broadcast says beside its contract, also to later processes. */
  settings(settings: BondSettings): void {
    this.#settings = settings
    this.#supervisor.tell({ type: 'settings', settings })
  }

  /** The hub's word of what has arrived on each link. Without a process it is lost: more will come. */
  arrived(arrivals: LinkArrivals): void {
    this.#supervisor.tell({ type: 'arrivals', arrivals })
  }

  /** Sends whole TS packets that belong together, such as an access unit. The buffer may not change afterwards. */
  write(ts: Buffer): void {
    const input = this.#child?.stdin
    if (ts.length === 0 || !input?.writable) return
    if (ts.length > MAX_FRAME_BYTES || input.writableLength > MAX_WAITING_BYTES) {
      this.#dropped += 1
      this.#options.events.late?.()
      return
    }
    // One system call for both.
    input.cork()
    input.write(frameHeader(ts.length))
    input.write(ts)
    input.uncork()
  }

  /** Puts another process in the place of the present one. */
  restart(): void {
    this.#supervisor.retire()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#supervisor[Symbol.asyncDispose]()
    this.#watch[Symbol.dispose]()
    for (const { done } of this.#changes) done.resolve()
    this.#changes = []
  }

  get #child(): Child | null {
    return this.#supervisor.child
  }

  /** The present identity, which the process is about to be told. */
  #identity(): TlsIdentity | null {
    this.#told = this.#options.identity?.() ?? null
    return this.#told
  }

  #change(contract: FlowContract | null, links: readonly string[] | null): Promise<void> {
    const number = (this.#last?.number ?? 0) + 1
    const change = { number, contract, links, done: Promise.withResolvers<void>() }
    this.#last = change
    this.#changes.push(change)
    // Contracts are renewed more often than certificates.
    const before = this.#told
    if (this.#identity() !== before) this.#supervisor.tell({ type: 'identity', identity: this.#told })
    this.#supervisor.tell(commandOf(change))
    return change.done.promise
  }

  #heard(report: SenderReport): void {
    const { logger, events } = this.#options
    switch (report.type) {
      case 'ready':
        this.#supervisor.working()
        return logger.info({ pid: this.#child?.pid }, 'sender process runs')
      case 'done':
        return this.#answered(report.number, ({ done }) => done.resolve())
      case 'refused': {
        const { number, reason } = report
        const code = isErrorCode(report.code) ? report.code : 'rist_sender_failed'
        logger.error({ code, reason }, 'the sender can not send by its contract')
        return this.#answered(number, (change) => {
          if (change.number === number) change.done.reject(new CodedError(code, reason))
          else change.done.resolve()
        })
      }
      case 'carries':
        return this.#tellCarries(report.carries)
      case 'authenticated':
        return events.authenticated()
      case 'stats': {
        const { type: _, ...stats } = report
        return events.stats(stats)
      }
      case 'ways':
        return events.ways?.(new Map(report.ways))
      case 'bond':
        return events.bond?.(report.report)
      case 'detour_failed':
        return logger.warn({ via: report.via, why: report.why }, 'no detour now')
      case 'problem':
        return logger.warn({ librist: report.line }, 'librist reports a problem')
      case 'alive':
        this.#waitingMs = report.waiting_ms
        if (report.late > this.#late) events.late?.()
        this.#dropped += Math.max(0, report.late - this.#late)
        this.#late = report.late
    }
  }

  #tellCarries(carries: boolean): void {
    if (carries === this.#carries) return
    this.#carries = carries
    this.#options.events.carries?.(carries)
  }

  #answered(number: number, settle: (change: Change) => void): void {
    for (const change of this.#changes) if (change.number <= number) settle(change)
    this.#changes = this.#changes.filter((change) => change.number > number)
  }
}

const commandOf = ({ number, contract, links }: Change): SenderCommand =>
  contract ? { type: 'contract', number, contract, links: links && [...links] } : { type: 'stop', number }
