import { ReceivingDevice } from './receiving-device.ts'
import { ViewingConnection } from './viewing-connection.ts'

/**
 * The page's connections to hubs, shared by everything that it watches there: one for each WebSocket address, and one more
 * for streams that may come through a relay only.
 */
export class ViewingConnections {
  readonly device = new ReceivingDevice()
  readonly #byUrl = new Map<string, ViewingConnection>()

  /** The present connection, or a new one where there is none or it is over. */
  to(url: string, relayed: boolean): ViewingConnection {
    const key = relayed ? `${url} relayed` : url
    const known = this.#byUrl.get(key)
    if (known && !known.over) return known
    const connection = new ViewingConnection(url, this.device)
    this.#byUrl.set(key, connection)
    return connection
  }
}
