import type { Peer, WebSocketTransport } from 'protoo-server'
import type { MediaEvents } from '../sfu/media-events.ts'
import { watchForFaults } from './protoo-message-guard.ts'
import { RequestBudget } from './request-budget.ts'

/** Malformed messages of a connection. A client that sends more is cut off. */
const FAULTS_PER_SECOND = 20
const FAULT_BURST = 60

/** Counts what comes on a connection and is no message, and cuts off whoever sends too much of it. */
export function watchFaultsOf(
  peer: Peer,
  transport: WebSocketTransport,
  events: Pick<MediaEvents, 'rejected'>,
): void {
  const budget = new RequestBudget(FAULTS_PER_SECOND, FAULT_BURST, performance.now())
  watchForFaults(transport, (fault, detail) => {
    events.rejected(null, fault, detail)
    if (peer.closed || budget.take(performance.now())) return
    events.rejected(null, 'flood', 'a connection sent too much that is no message and was cut off')
    peer.close()
  })
}
