import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/** Takes over the WebSocket upgrades of one path. */
export interface UpgradeDoor {
  /** Of a request, without its query. */
  readonly path: string
  take(request: IncomingMessage, socket: Duplex, head: Buffer): void
}

/** Whom admission reckons with. */
export interface InUse {
  /** Those that would not give way to others. */
  readonly used: number
  /** Of those, how many are for nobody with a token. */
  readonly anonymous: number
}

/** A way in for clients that carry media: viewers and publishers. It closes what is connected when it is disposed of. */
export interface Door extends Disposable {
  /** null where the door takes no WebSocket. */
  readonly upgrades: UpgradeDoor | null
  /** All that are connected. A hub that is drained waits for them. */
  readonly connections: number
  readonly inUse: InUse
  /** Closes the oldest connection that may give way to a newer one. Answers whether there was one. */
  turnOut(): boolean
}

/** All doors of the hub, in one table: a new door stands here and nowhere else. The table closes its doors. */
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

  /** The door for WebSockets of this path, undefined where there is none. */
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
