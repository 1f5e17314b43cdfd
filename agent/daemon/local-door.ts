import { rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { CodedError } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { Outcome } from '../../common/wire/node-protocol.ts'
import { type UpdateOrder, updateOrderSchema } from '../update/wanted-release.ts'
import type { AgentStatus } from './agent-status.ts'

/** Longest body, bytes: a configuration of four broadcasts has some kilobytes. */
const MAX_BODY_BYTES = 256 * 1024
/** Connections at a time. */
const MAX_CONNECTIONS = 8
/** Longest path of a Unix socket, bytes, unix(7). */
const MAX_PATH_BYTES = 107

/** What programs on this machine may ask of the running agent. */
export interface LocalRequests {
  status(): AgentStatus
  /** Applies a document that somebody wrote at the device. */
  apply(document: unknown): Promise<Outcome>
  /** What `apply` would say of it before it touches anything. */
  check(document: unknown): Outcome
  /** Takes another release of the agent. */
  update(order: UpdateOrder): Promise<Outcome>
}

/**
 * The running agent's door for programs on its machine: HTTP on a Unix socket, which only the agent's user and root may
 * open. The door also keeps a second agent away from the same state.
 */
export class LocalDoor implements AsyncDisposable {
  readonly #server: Server
  readonly #path: string

  private constructor(server: Server, path: string) {
    this.#server = server
    this.#path = path
  }

  /** @throws CodedError `agent_running` where another agent has the folder, `cannot_listen` */
  static async open(path: string, requests: LocalRequests, logger: Logger): Promise<LocalDoor> {
    if (Buffer.byteLength(path) > MAX_PATH_BYTES)
      throw new CodedError('cannot_listen', `the path ${path} is too long for a socket`, {
        details: ['choose a shorter --state-dir'],
      })
    if (await answers(path)) throw new CodedError('agent_running', `an agent already runs on ${path}`)
    // What a killed agent left.
    await rm(path, { force: true })
    const server = createServer((request, response) => {
      handle(request, response, requests).catch((error: unknown) => {
        logger.warn({ error }, 'a local request failed')
        response.destroy()
      })
    })
    server.maxConnections = MAX_CONNECTIONS
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // The socket is made within `listen`. Others may not open it even for a moment.
    const mask = process.umask(0o177)
    try {
      server.once('error', reject).listen(path, resolve)
    } finally {
      process.umask(mask)
    }
    try {
      await promise
    } catch (cause) {
      throw new CodedError('cannot_listen', `the socket ${path} can not be opened`, { cause })
    }
    return new LocalDoor(server, path)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
    await rm(this.#path, { force: true })
  }
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  requests: LocalRequests,
): Promise<void> {
  const answer = (status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  const route = `${request.method} ${request.url}`
  if (route === 'GET /status') return answer(200, requests.status())
  if (route !== 'PUT /config' && route !== 'POST /config/check' && route !== 'POST /update')
    return answer(404, { reason: `there is no ${route}` })
  const body = await readBody(request)
  if (body === null) return answer(413, { reason: 'the document is too long' })
  let document: unknown
  try {
    document = JSON.parse(body)
  } catch {
    return answer(400, { reason: 'the document is no JSON' })
  }
  if (route === 'POST /update') {
    const order = updateOrderSchema.safeParse(document)
    if (!order.success) return answer(400, { reason: 'that is no order of an update' })
    return answer(200, await requests.update(order.data))
  }
  answer(200, route === 'PUT /config' ? await requests.apply(document) : requests.check(document))
}

/** @returns null where it is too long */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) return null
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Whether somebody listens there. */
function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(path, () => resolve(true))
  socket.once('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}
