import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/** Takes over the WebSocket upgrades of one path. */
export interface UpgradeDoor {
  /** Path of a request, without its query. */
  readonly path: string
  take(request: IncomingMessage, socket: Duplex, head: Buffer): void
}

/** The connections that admission counts. */
export interface InUse {
  /** Connections that would not give way to others. */
  readonly used: number
  /** How many of these connections have no token behind them. */
  readonly anonymous: number
}

/** A way in for clients with media: viewers and publishers. Disposing of a door closes its connections. */
export interface Door extends Disposable {
  /** null for a door without WebSockets. */
  readonly upgrades: UpgradeDoor | null
  /** Number of connected clients. A draining hub waits for them. */
  readonly connections: number
  readonly inUse: InUse
  /** Closes the oldest connection that may give way to a newer one. Returns whether there was one. */
  turnOut(): boolean
}

/** All doors of the hub, in one table: a new door is added here and nowhere else. The table closes its doors. */
export class Doors implements Disposable {
  readonly #doors: Door[] = []

  add(door: Door): void {
    this.#doors.push(door)
  }

  get connections(): number {
    return this.#doors.reduce((sum, { connections }) => sum + connections, 0)
  }

  get inUse(): InUse {
    let [used, anonymous] = [0, 0]
    for (const { inUse } of this.#doors) {
      used += inUse.used
      anonymous += inUse.anonymous
    }
    return { used, anonymous }
  }

  /** The door for WebSockets of this path; undefined where there is none. */
  ofPath(path: string | undefined): UpgradeDoor | undefined {
    return this.#doors.find(({ upgrades }) => upgrades?.path === path)?.upgrades ?? undefined
  }

  turnOut(): boolean {
    return this.#doors.some((door) => door.turnOut())
  }

  [Symbol.dispose](): void {
    for (const door of this.#doors) door[Symbol.dispose]()
  }
}
