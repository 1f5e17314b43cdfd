import { z } from 'zod'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { type JoinAnswer, joinAnswer } from '../../common/wire/viewer-protocol.ts'
import type { TestHub } from './hub.ts'
import { until } from './until.ts'

const message = z.looseObject({
  request: z.boolean().optional(),
  response: z.boolean().optional(),
  notification: z.boolean().optional(),
  id: z.number().optional(),
  ok: z.boolean().optional(),
  errorReason: z.string().optional(),
  method: z.string().optional(),
  data: z.unknown().optional(),
})
type Message = z.infer<typeof message>

/** A question of the hub to a viewer, for the test to answer. */
export interface Asked {
  readonly method: string
  readonly data: unknown
  accept(): void
  refuse(): void
}

export interface JoinedViewer {
  readonly viewer: AskedViewer
  readonly contractId: string
  readonly joined: JoinAnswer
}

/** Index of the stream's worker, as soon as the stream has media. */
export async function workerOfStream(hub: TestHub): Promise<number> {
  const answer = z.object({ worker: z.number().nullable() })
  let worker: number | null = null
  await until(async () => {
    const { body } = await hub.api('GET', '/v1/streams/cam-1/statistics')
    worker = answer.parse(body).worker
    return worker !== null
  }, 'the stream is on a worker')
  return worker ?? 0
}

/** Opens one more viewer of a stream. */
export async function openAsked(hub: TestHub, can = { moves: true }): Promise<JoinedViewer> {
  const { body } = await hub.api('POST', '/v1/subscribe', { stream_id: 'cam-1' })
  const { contract_id, join } = subscribeAnswerSchema.parse(body)
  return { contractId: contract_id, ...(await AskedViewer.open(hub.url, join.webrtc.ticket, can)) }
}

/**
 * Opens viewers of an older SDK until this many are on the worker with this port. The others leave. Disposing of the
 * result makes all of them leave.
 */
export async function fillWorker(hub: TestHub, rtcPort: number, count: number): Promise<DisposableStack> {
  const here = new DisposableStack()
  using elsewhere = new DisposableStack()
  for (let opened = 0; opened < count; ) {
    const { viewer, joined } = await openAsked(hub, { moves: false })
    const isHere = joined.transport.ice_candidates.some((candidate) => candidate['port'] === rtcPort)
    if (isHere) opened++
    ;(isHere ? here : elsewhere).use(viewer)
  }
  return here
}

/**
 * A viewer without media that says it can move, and answers the hub's questions when the test says so. It answers pings
 * by itself.
 */
export class AskedViewer implements Disposable {
  readonly asked: Asked[] = []
  /** Notifications so far. */
  readonly told: { readonly method: string; readonly data: unknown }[] = []
  readonly closed: Promise<unknown>
  readonly #socket: WebSocket
  readonly #answers = new Map<number, PromiseWithResolvers<unknown>>()
  #next = 1

  private constructor(socket: WebSocket) {
    this.#socket = socket
    this.closed = new Promise((resolve) => socket.addEventListener('close', resolve))
    socket.addEventListener('message', ({ data }) => this.#heard(message.parse(JSON.parse(String(data)))))
  }

  /** Connects and joins. `moves` false is an older page, which can't be moved. */
  static async open(
    hubUrl: string,
    ticket: string,
    can = { moves: true },
  ): Promise<{ viewer: AskedViewer; joined: JoinAnswer }> {
    const socket = new WebSocket(new URL('/protoo', hubUrl.replace(/^http/, 'ws')), 'protoo')
    const viewer = new AskedViewer(socket)
    const welcome = z.object({ router_rtp_capabilities: z.looseObject({}), moves: z.boolean().optional() })
    const { router_rtp_capabilities, moves } = welcome.parse((await viewer.#toldOf('welcome')).data)
    const join = {
      ticket,
      rtp_capabilities: router_rtp_capabilities,
      ...(moves === true && can.moves && { moves }),
    }
    return { viewer, joined: joinAnswer.parse(await viewer.request('join', join)) }
  }

  request(method: string, data: object): Promise<unknown> {
    const id = this.#next++
    const answer = Promise.withResolvers<unknown>()
    this.#answers.set(id, answer)
    this.#send({ request: true, id, method, data })
    return answer.promise
  }

  [Symbol.dispose](): void {
    this.#socket.close(1000)
  }

  async #toldOf(method: string) {
    for (;;) {
      const found = this.told.find((each) => each.method === method)
      if (found) return found
      await new Promise((resolve) => this.#socket.addEventListener('message', resolve, { once: true }))
    }
  }

  #heard({ id = 0, method = '', data, ...kind }: Message): void {
    if (kind.notification) this.told.push({ method, data })
    else if (kind.request && method === 'consume') this.#send({ response: true, id, ok: true, data: {} })
    else if (kind.request)
      this.asked.push({
        method,
        data,
        accept: () => this.#send({ response: true, id, ok: true, data: {} }),
        refuse: () =>
          this.#send({ response: true, id, ok: false, errorCode: 500, errorReason: 'it can not be done' }),
      })
    else if (kind.ok) this.#answers.get(id)?.resolve(data)
    else this.#answers.get(id)?.reject(new Error(kind.errorReason))
  }

  #send(data: object): void {
    this.#socket.send(JSON.stringify(data))
  }
}
