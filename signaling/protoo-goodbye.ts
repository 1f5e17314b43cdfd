import type { Peer } from 'protoo-server'

/** RFC 6455 section 7.1.5: the connection ended without a close frame. */
const ABNORMAL = 1006
/** RFC 6455 section 5.2. */
const CLOSE_FRAME = 0x8

/** protoo-server 4.0.8 has its WebSocket in these fields, and hands it out nowhere. */
interface Inside {
  readonly _transport?: { readonly _connection?: Connection }
}

/** `websocket` 1.0.35 reports a close frame without a code as if there had been none. */
interface Connection {
  readonly closeReasonCode: number
  processFrame(frame: { readonly opcode: number }): void
}

const saidGoodbye = new WeakSet<Connection>()

/** Notes from now on whether the other end closes the connection by itself. */
export function listenForGoodbye(peer: Peer): void {
  const connection = connectionOf(peer)
  if (!connection) return
  const processFrame = connection.processFrame.bind(connection)
  connection.processFrame = (frame) => {
    if (frame.opcode === CLOSE_FRAME) saidGoodbye.add(connection)
    processFrame(frame)
  }
}

/** Whether the other end of a closed connection vanished. It may come back; an end that said goodbye will not. */
export function hasVanished(peer: Peer): boolean {
  const connection = connectionOf(peer)
  return connection?.closeReasonCode === ABNORMAL && !saidGoodbye.has(connection)
}

function connectionOf(peer: Peer): Connection | undefined {
  return (peer as unknown as Inside)._transport?._connection
}
