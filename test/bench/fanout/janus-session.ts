import { z } from 'zod'

const STREAMING = 'janus.plugin.streaming'
const ANSWER_WITHIN_MS = 10_000

const created = z.object({ data: z.object({ id: z.number() }) })
const message = z.object({
  janus: z.string(),
  transaction: z.string().optional(),
  error: z.object({ reason: z.string() }).optional(),
  plugindata: z.object({ data: z.object({ error: z.string().optional() }).loose() }).optional(),
  jsep: z.object({ type: z.string(), sdp: z.string() }).optional(),
})

interface Jsep {
  readonly type: 'answer'
  readonly sdp: string
}

/** One session of Janus's WebSocket API, whose handles are the viewers of its streaming plugin. */
export class JanusSession implements Disposable {
  readonly #socket: WebSocket
  readonly #waiting = new Map<string, PromiseWithResolvers<unknown>>()
  #last = 0
  #id = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#onMessage(JSON.parse(String(data))))
  }

  static async open(url: string): Promise<JanusSession> {
    const socket = new WebSocket(url, 'janus-protocol')
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve)
      socket.addEventListener('error', () => reject(new Error(`Janus does not answer at ${url}`)))
    })
    const session = new JanusSession(socket)
    session.#id = created.parse(await session.#ask({ janus: 'create' })).data.id
    return session
  }

  /** A new handle on the streaming plugin. */
  async attach(): Promise<number> {
    const asked = { janus: 'attach', session_id: this.#id, plugin: STREAMING }
    return created.parse(await this.#ask(asked)).data.id
  }

  /** What the plugin answers: its data, and an offer where it makes one. */
  async send(handle: number, body: object, jsep?: Jsep): Promise<{ data: unknown; offer: string | null }> {
    const asked = { janus: 'message', session_id: this.#id, handle_id: handle, body, ...(jsep && { jsep }) }
    const { plugindata, jsep: offer } = message.parse(await this.#ask(asked))
    return { data: plugindata?.data, offer: offer?.sdp ?? null }
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }

  async #ask(asked: object): Promise<unknown> {
    const transaction = String(++this.#last)
    const answer = Promise.withResolvers<unknown>()
    this.#waiting.set(transaction, answer)
    const late = setTimeout(
      () => answer.reject(new Error(`Janus did not answer ${JSON.stringify(asked)}`)),
      ANSWER_WITHIN_MS,
    )
    this.#socket.send(JSON.stringify({ ...asked, transaction }))
    try {
      return await answer.promise
    } finally {
      clearTimeout(late)
      this.#waiting.delete(transaction)
    }
  }

  #onMessage(raw: unknown): void {
    const { janus, transaction = '', error, plugindata } = message.parse(raw)
    // An acknowledgement: the answer itself is yet to come.
    if (janus === 'ack') return
    const why = error?.reason ?? plugindata?.data.error
    if (why === undefined) this.#waiting.get(transaction)?.resolve(raw)
    else this.#waiting.get(transaction)?.reject(new Error(`Janus: ${why}`))
  }
}
