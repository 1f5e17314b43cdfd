import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { WebSocketTransport } from 'protoo-server'
import Message from 'protoo-server/lib/Message.js'
import { RequestBudget } from './request-budget.ts'

/** The fault of a WebSocket message, before anybody looks at what it asks for. */
export type MessageFault = 'malformed_message' | 'oversized_message'

/** Close codes of RFC 6455, section 7.4.1, with which the WebSocket library itself ends a connection. */
const FAULT_OF_CLOSE = new Map<number, MessageFault>([
  [1002, 'malformed_message'],
  [1007, 'malformed_message'],
  [1009, 'oversized_message'],
])

/** Pings and pongs of a connection. The hub asks every 10 s, and our clients never do. */
const CONTROL_PER_SECOND = 1
const CONTROL_BURST = 10

/** protoo-server 4.0.8 has its WebSocket in this field, and hands it out nowhere. */
interface Inside {
  readonly _connection: EventEmitter & { readonly socket: Socket }
}

/** Called if the text that protoo is reading now is no message. */
let onMalformed: (() => void) | null = null
let guarded = false

/**
 * protoo-server 4.0.8 reads properties of whatever a message's JSON is. So the text `null` from any viewer throws where
 * nobody catches, and ends the process. From here on a text on which its parser throws is no message, like every other
 * nonsense.
 */
export function guardProtooMessages(): void {
  if (guarded) return
  guarded = true
  const parse = Message.parse.bind(Message)
  const read: typeof parse = (text) => {
    try {
      return parse(text)
    } catch {
      return undefined
    }
  }
  Message.parse = (text) => {
    const message = read(text)
    if (!message) onMalformed?.()
    return message
  }
}

/**
 * Reports everything on a connection that is no protoo message: protoo ignores malformed messages, and the WebSocket
 * library ends the connection where something is too large or breaks its protocol.
 */
export function watchForFaults(
  transport: WebSocketTransport,
  tell: (fault: MessageFault, detail: string) => void,
): void {
  const { _connection: connection } = transport as unknown as Inside
  // protoo reads a text between these two listeners, without a pause.
  connection.prependListener('message', ({ type }: { readonly type: string }) => {
    onMalformed = () => tell('malformed_message', 'a text that is no protoo message')
    if (type === 'binary') tell('malformed_message', 'a binary message')
  })
  connection.on('message', () => {
    onMalformed = null
  })
  // A listener decides whether the library answers. Answers that the other end does not read would wait without end.
  const control = new RequestBudget(CONTROL_PER_SECOND, CONTROL_BURST, performance.now())
  const taken = (frame: 'ping' | 'pong') => {
    const within = control.take(performance.now())
    if (!within) tell('malformed_message', `more frames of the kind ${frame} than anybody needs`)
    return within
  }
  connection.on('ping', (cancel: () => void) => {
    if (!taken('ping')) cancel()
  })
  connection.on('pong', () => void taken('pong'))
  connection.on('close', (code: number, reason: string) => {
    const fault = FAULT_OF_CLOSE.get(code)
    // When the library itself ends the connection, it reports that while the socket still exists. The other side may
    // send the same codes about our messages.
    if (fault && !connection.socket.destroyed) tell(fault, `the connection was ended: ${reason}`)
  })
}
