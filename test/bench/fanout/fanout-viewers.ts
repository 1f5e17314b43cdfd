import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import type { types } from 'mediasoup'
import {
  type Counted,
  type FromViewers,
  fromViewersSchema,
  type SrtpProfile,
  type ViewerOrder,
} from './fanout-protocol.ts'

const MAIN = resolve(import.meta.dirname, 'fanout-viewers-main.ts')

/** The process that plays all viewers of the fan-out benchmark. */
export class FanoutViewers implements AsyncDisposable {
  readonly dtlsParameters: types.DtlsParameters
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<SrtpProfile>>()
  readonly #counting = new Map<string, PromiseWithResolvers<Counted>>()
  #lastId = 0

  private constructor(child: ChildProcess, fingerprint: string) {
    this.#child = child
    this.dtlsParameters = { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: fingerprint }] }
    child.on('message', (raw) => this.#onMessage(fromViewersSchema.parse(raw)))
  }

  static async open(): Promise<FanoutViewers> {
    const child = fork(MAIN, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
    const ready = fromViewersSchema.parse((await once(child, 'message'))[0])
    if (ready.type !== 'ready') throw new Error(`the viewers said ${ready.type} first`)
    return new FanoutViewers(child, ready.fingerprint)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Makes one more viewer watch. Resolves when its handshake is done, to what was negotiated. */
  async watch(order: Omit<ViewerOrder, 'type' | 'id'>): Promise<SrtpProfile> {
    const id = ++this.#lastId
    const viewing = Promise.withResolvers<SrtpProfile>()
    this.#waiting.set(id, viewing)
    this.#child.send({ type: 'view', id, ...order })
    return viewing.promise
  }

  /** RTP packets that all viewers of a group have received and lost. One question at a time about each. */
  async count(group: string): Promise<Counted> {
    const counted = Promise.withResolvers<Counted>()
    this.#counting.set(group, counted)
    this.#child.send({ type: 'count', group })
    return counted.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.disconnect()
    await gone
  }

  #onMessage(message: FromViewers): void {
    if (message.type === 'counted') return this.#counting.get(message.group)?.resolve(message)
    if (message.type === 'ready') return
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.type === 'viewing') waiting?.resolve(message.crypto)
    else waiting?.reject(new Error(`viewer ${message.id}: ${message.why}`))
  }
}
