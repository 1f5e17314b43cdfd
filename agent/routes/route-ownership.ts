import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/** A name of abstract Unix sockets, which are a network namespace's own (unix(7)). The kernel frees it with the process. */
const NAME = '\0lanecast-agent-routes'

/** Which one of several agents in a network namespace sets the routes: they would undo each other's. */
export class RouteOwnership implements AsyncDisposable {
  #server: Server | null = null

  /** @returns whether the routes are this process's now */
  async take(): Promise<boolean> {
    if (this.#server) return true
    const server = createServer((socket) => socket.destroy())
    server.listen(NAME)
    try {
      await once(server, 'listening')
      this.#server = server.unref()
      return true
    } catch {
      return false
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server
    this.#server = null
    if (server) await new Promise((resolve) => server.close(resolve))
  }
}
