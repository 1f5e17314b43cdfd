import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import protoo, { type Peer } from 'protoo-server'
import { CodedError } from '../../common/errors.ts'
import type { MediaEvents } from '../../sfu/media-events.ts'
import { hearEarlyAnswers } from '../protoo-early-answers.ts'
import { watchFaultsOf } from '../protoo-faults.ts'
import { guardProtooMessages } from '../protoo-message-guard.ts'
import type { NodeAdmission, ProvenNode } from './node-admission.ts'
import { NodeSession } from './node-session.ts'

/** Path of the WebSockets. */
export const NODE_PATH = '/node'
/** A full report of a board with many cameras has some 60 kB of JSON. */
const MAX_MESSAGE_BYTES = 512 * 1024
/** Connections of one node at once: the present one, and those that a lost network left. So no node takes all places. */
const MAX_OF_ONE_NODE = 4

export interface NodeDoorOptions {
  readonly admission: NodeAdmission
  /** Most connections at once. */
  readonly maxConnections: number
  readonly events: Pick<MediaEvents, 'rejected' | 'error'>
}

/**
 * The door for the channels of nodes. A node proves itself by its certificate before there is a WebSocket, and holds its
 * connection for as long as it runs, so these connections count neither as viewers nor as something to wait for.
 */
export class NodeDoor implements Disposable {
  readonly upgrades = {
    path: NODE_PATH,
    take: (request: IncomingMessage, socket: Duplex, head: Buffer) => this.#take(request, socket, head),
  }
  readonly connections = 0
  readonly inUse = { used: 0, anonymous: 0 } as const
  readonly #options: NodeDoorOptions
  readonly #room = new protoo.Room()
  readonly #toProtoo = new EventEmitter()
  readonly #proven = new WeakMap<IncomingMessage, ProvenNode>()
  /** Sockets by node, from the proof until they close. */
  readonly #ofNode = new Map<string, number>()
  #closed = false

  constructor(options: NodeDoorOptions) {
    this.#options = options
    guardProtooMessages()
    const server = new protoo.WebSocketServer(this.#toProtoo as HttpServer, {
      maxReceivedFrameSize: MAX_MESSAGE_BYTES,
      maxReceivedMessageSize: MAX_MESSAGE_BYTES,
      fragmentOutgoingMessages: false,
      keepaliveInterval: 10_000,
      keepaliveGracePeriod: 5_000,
    })
    server.on('connectionrequest', ({ request, socket }, accept, reject) => {
      const node = this.#proven.get(request)
      const { events, admission } = this.#options
      if (!node || this.#closed) return reject(503, 'the hub is stopping')
      const transport = accept()
      // The WebSocket library removes all listeners, and listens itself once its answer has left.
      socket.on('error', () => {})
      try {
        const peer: Peer = this.#room.createPeer(randomUUID(), transport)
        watchFaultsOf(peer, transport, events)
        hearEarlyAnswers(peer, transport)
        new NodeSession(peer, { node, admission, events })
      } catch (error) {
        events.error('signaling', 'session', error)
        transport.close()
      }
    })
  }

  /** Nobody gives way here. */
  turnOut(): boolean {
    return false
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.#room.close()
  }

  #take(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { admission, maxConnections, events } = this.#options
    if (this.#room.peers.length >= maxConnections) {
      events.rejected(null, 'max_connections', `${maxConnections} nodes are connected`)
      return refuse(socket, '503 Service Unavailable')
    }
    admission.identify(request).then(
      (node) => {
        if (socket.destroyed) return
        if (!this.#seat(node, socket)) {
          events.rejected(null, 'max_connections', `a node has ${MAX_OF_ONE_NODE} connections`)
          return refuse(socket, '429 Too Many Requests')
        }
        this.#proven.set(request, node)
        this.#toProtoo.emit('upgrade', request, socket, head)
      },
      (error: unknown) => {
        if (error instanceof CodedError) events.rejected(null, error.code, error.message)
        else events.error('signaling', 'node', error)
        refuse(socket, error instanceof CodedError ? '401 Unauthorized' : '500 Internal Server Error')
      },
    )
  }

  /** Counts a node's socket until it closes. @returns false where the node has all that it may have */
  #seat({ tenantId, nodeId }: ProvenNode, socket: Duplex): boolean {
    const key = `${tenantId ?? ''}/${nodeId}`
    const present = this.#ofNode.get(key) ?? 0
    if (present >= MAX_OF_ONE_NODE) return false
    this.#ofNode.set(key, present + 1)
    socket.once('close', () => {
      const left = (this.#ofNode.get(key) ?? 1) - 1
      if (left > 0) this.#ofNode.set(key, left)
      else this.#ofNode.delete(key)
    })
    return true
  }
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`)
}
