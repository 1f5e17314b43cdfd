import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { freeUdpPorts } from '../../support/udp-ports.ts'

export interface ReceptionOrder {
  readonly ports: readonly number[]
  readonly bufferMs: number
}

export type ReceptionSaid =
  /** A picture is complete. */
  | { readonly type: 'picture' }
  | { readonly type: 'keyframe' }
  /** librist's counts of the last second. */
  | { readonly type: 'packets'; readonly received: number; readonly lost: number }
  /** Datagrams on each link since the receiver began, and media since it said so last. */
  | { readonly type: 'arrived'; readonly packets: number[]; readonly bytes: number }

export interface ReceptionListener {
  /** The pipeline waits for a keyframe. */
  keyframeNeeded(): void
  arrived(packets: readonly number[]): void
}

const PROGRAM = fileURLToPath(new URL('./bond-reception-main.ts', import.meta.url))
/** A pause between pictures is a freeze from this length on, ms: a picture's time and 150 ms (W3C, webrtc-stats). */
const FREEZE_MS = 1000 / 30 + 150
const NOTHING = { delivered: 0, lost: 0, bytes: 0, frozenMs: 0, deaths: 0 }

/** What a receiver like the hub's makes of a bond: packets that never came, and pictures that stood still. */
export class BondReception implements AsyncDisposable {
  readonly ports: readonly number[]
  readonly #bufferMs: number
  readonly #listener: ReceptionListener
  #child: ChildProcess
  #counts = { ...NOTHING }
  #pictureAt: number | null = null
  #closing = false

  static async open(links: number, bufferMs: number, listener: ReceptionListener): Promise<BondReception> {
    return new BondReception(await freeUdpPorts(links), bufferMs, listener)
  }

  private constructor(ports: readonly number[], bufferMs: number, listener: ReceptionListener) {
    this.ports = ports
    this.#bufferMs = bufferMs
    this.#listener = listener
    this.#child = this.#start()
  }

  get counts(): typeof NOTHING {
    const still = this.#pictureAt === null ? 0 : performance.now() - this.#pictureAt
    return { ...this.#counts, frozenMs: this.#counts.frozenMs + (still > FREEZE_MS ? still : 0) }
  }

  /** Counts from now on. */
  reset(): void {
    this.#counts = { ...NOTHING }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  /** A receiver that dies is replaced, as the hub does it. */
  #start(): ChildProcess {
    const child = fork(PROGRAM, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
    child.on('message', (said) => this.#heard(said as ReceptionSaid))
    child.once('exit', () => {
      if (this.#closing) return
      this.#counts.deaths += 1
      this.#child = this.#start()
    })
    child.send({ ports: this.ports, bufferMs: this.#bufferMs } satisfies ReceptionOrder)
    return child
  }

  #heard(said: ReceptionSaid): void {
    switch (said.type) {
      case 'picture':
        return this.#picture()
      case 'keyframe':
        return this.#listener.keyframeNeeded()
      case 'packets':
        this.#counts.delivered += said.received
        this.#counts.lost += said.lost
        return
      case 'arrived':
        this.#counts.bytes += said.bytes
        return this.#listener.arrived(said.packets)
    }
  }

  #picture(): void {
    const now = performance.now()
    const gap = this.#pictureAt === null ? 0 : now - this.#pictureAt
    if (gap > FREEZE_MS) this.#counts.frozenMs += gap
    this.#pictureAt = now
  }
}
