import { randomInt } from 'node:crypto'
import { messageOf } from '../common/errors.ts'
import { Endpoint } from '../common/net/endpoint.ts'
import { UdpSocket } from '../common/net/udp-socket.ts'
import type { TurnStart } from '../common/wire/turn-ipc.ts'

/** Room for a burst while this process is busy; the kernel caps it at its own limit. */
const BUFFER_BYTES = { send: 1024 * 1024, receive: 1024 * 1024, onlyIpv6: true }

/** setsockopt(2), ip(7) and ipv6(7): whether packets may be fragmented on their way. */
const FRAGMENT = {
  4: { level: 0, option: 10 },
  6: { level: 41, option: 23 },
} as const
/** IP_PMTUDISC_DONT: routers may fragment. IP_PMTUDISC_PROBE: nobody may, and what the kernel knows of the path does not count. */
const [MAY_FRAGMENT, DONT_FRAGMENT] = [0, 3]

/** A UDP socket on a port of the range. Whoever has it closes it, which gives the port back. */
export class RelaySocket implements Disposable {
  readonly socket: UdpSocket
  /** What clients and peers are told. */
  readonly announced: Endpoint
  readonly port: number
  readonly #family: 4 | 6
  readonly #closed: () => void

  constructor(socket: UdpSocket, announced: Endpoint, closed: () => void) {
    this.socket = socket
    this.announced = announced
    this.port = announced.port
    this.#family = announced.family
    this.#closed = closed
    this.fragments(true)
  }

  /** Whether what is sent from now on may be fragmented. */
  fragments(may: boolean): void {
    const { level, option } = FRAGMENT[this.#family]
    this.socket.set(level, option, may ? MAY_FRAGMENT : DONT_FRAGMENT)
  }

  [Symbol.dispose](): void {
    if (this.socket.descriptor < 0) return
    this.socket[Symbol.dispose]()
    this.#closed()
  }
}

/** The ports that relayed packets leave by, on each address of the relay. */
export class RelayPorts {
  readonly #addresses: TurnStart['relay']['addresses']
  readonly #first: number
  readonly #count: number
  /** Ports in use, of each address. */
  readonly #taken = new Map<string, Set<number>>()

  constructor({ addresses, ports: [first, last] }: TurnStart['relay']) {
    this.#addresses = addresses
    this.#first = first
    this.#count = last - first + 1
    for (const { ip } of addresses) this.#taken.set(ip, new Set())
  }

  /** Whether there is any address of a family. */
  serves(family: 4 | 6): boolean {
    return this.#of(family).length > 0
  }

  /** Opens any port of the range, from a random one on: who guesses ports should not guess right. @returns null when none is left */
  open(family: 4 | 6): RelaySocket | null {
    return this.#some(family, (address, port) => this.#try(address, port))
  }

  /** Opens an even port. */
  openEven(family: 4 | 6): RelaySocket | null {
    return this.#some(family, (address, port) => (port % 2 === 0 ? this.#try(address, port) : null))
  }

  /** Opens an even port and the one above it, RFC 8656, section 7.2. */
  openPair(family: 4 | 6): readonly [RelaySocket, RelaySocket] | null {
    return this.#some(family, (address, port) => {
      if (port % 2 !== 0 || port + 1 >= this.#first + this.#count) return null
      using stack = new DisposableStack()
      const even = stack.adopt(this.#try(address, port), (socket) => socket?.[Symbol.dispose]())
      const odd = even && this.#try(address, port + 1)
      if (!even || !odd) return null
      stack.move()
      return [even, odd] as const
    })
  }

  #of(family: 4 | 6): TurnStart['relay']['addresses'] {
    return this.#addresses.filter(({ ip }) => ip.includes(':') === (family === 6))
  }

  #some<Opened>(
    family: 4 | 6,
    open: (address: TurnStart['relay']['addresses'][number], port: number) => Opened | null,
  ): Opened | null {
    for (const address of this.#of(family)) {
      const from = randomInt(this.#count)
      for (let step = 0; step < this.#count; step += 1) {
        const opened = orNone(() => open(address, this.#first + ((from + step) % this.#count)))
        if (opened === 'none') break
        if (opened) return opened
      }
    }
    return null
  }

  /** @returns null where somebody has the port */
  #try({ ip, announced }: TurnStart['relay']['addresses'][number], port: number): RelaySocket | null {
    const taken = this.#taken.get(ip)!
    if (taken.has(port)) return null
    let socket: UdpSocket
    try {
      socket = UdpSocket.open(ip, port, BUFFER_BYTES)
    } catch (error) {
      if (messageOf(error).includes('EADDRINUSE')) return null
      throw error
    }
    taken.add(port)
    return new RelaySocket(socket, Endpoint.of(announced ?? ip, port), () => taken.delete(port))
  }
}

/**
 * `none` where the machine gives no socket: it has no descriptor or memory left, or not the address. What a client asks for
 * must not end the process and with it everybody's allocations.
 */
function orNone<Opened>(open: () => Opened | null): Opened | null | 'none' {
  try {
    return open()
  } catch {
    return 'none'
  }
}
