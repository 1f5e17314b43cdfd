import { ReceivingDevice } from './receiving-device.ts'
import { ViewingConnection } from './viewing-connection.ts'

/** The page's connections to hubs, one for each WebSocket address, shared by everything that it watches there. */
export class ViewingConnections {
  readonly device = new ReceivingDevice()
  readonly #byUrl = new Map<string, ViewingConnection>()

  /** The present connection, or a new one where there is none or it is over. */
  to(url: string): ViewingConnection {
    const known = this.#byUrl.get(url)
    if (known && !known.over) return known
    const connection = new ViewingConnection(url, this.device)
    this.#byUrl.set(url, connection)
    return connection
  }
}
