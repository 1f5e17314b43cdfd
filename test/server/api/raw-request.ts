import { Agent, request } from 'node:http'

export interface RawRequest {
  readonly method: string
  /** Sent as it is: no client corrects `..`. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Uint8Array | undefined
}

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** A client that sends exactly what it is told, over kept connections. */
export class RawClient implements Disposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 })
  readonly #url: URL

  constructor(url: string) {
    this.#url = new URL(url)
  }

  /**
   * An answer that comes before the request was sent whole is an answer all the same. A request on a kept connection
   * that the server has closed meanwhile, for nobody used it, is sent again on a new one.
   */
  send(raw: RawRequest, agent: Agent | false = this.#agent): Promise<RawAnswer> {
    const { method, path, headers = {}, body } = raw
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#url
      const outgoing = request({ hostname, port, method, path, agent }, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        )
      })
      outgoing.on('error', (error) => {
        const closed = 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
        if (outgoing.reusedSocket && closed) resolve(this.send(raw, false))
        else reject(error)
      })
      for (const [name, value] of Object.entries(headers))
        outgoing.setHeader(name, typeof value === 'string' ? value : [...value])
      // Left to node, a GET's body would be sent without its length, as the beginning of another request.
      if (body !== undefined) outgoing.setHeader('content-length', Buffer.byteLength(body))
      outgoing.setTimeout(20_000, () => outgoing.destroy(new Error(`no answer to ${method} ${path}`)))
      outgoing.end(body)
    })
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}
