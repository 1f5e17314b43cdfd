import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { Endpoint } from '../../common/net/endpoint.ts'
import type { TurnLimits, TurnStart } from '../../common/wire/turn-ipc.ts'
import { subjectTag, turnCredential, turnUsername } from '../../turn/credentials.ts'
import type { TurnUserOptions } from './turn-client.ts'

export const SECRET = 'a secret of the test'

export const LIMITS: TurnLimits = {
  allocations_per_user: 12,
  allocations_per_subject: 100,
  allocations_per_tenant: 100,
  allocations_per_address: 100,
  allocations: 200,
  kbps_per_allocation: null,
  kbps_per_tenant: null,
}

/** A range of its own for each test file, below the system's ephemeral ports. */
const FIRST_PORT = 20_000 + (process.pid % 100) * 100

/** What a TURN server on loopback starts with; ports are any. */
export function turnStart(changed: Partial<Omit<TurnStart, 'type'>> = {}): TurnStart {
  const any = [{ ip: '127.0.0.1', port: 0 }]
  return {
    type: 'start',
    realm: 'lanecast',
    secret: SECRET,
    listen: { udp: any, tcp: any, tls: [] },
    tls: null,
    relay: { addresses: [{ ip: '127.0.0.1', announced: null }], ports: [FIRST_PORT, FIRST_PORT + 99] },
    peers: { own: ['127.0.0.1'], allow: [], deny: [] },
    limits: LIMITS,
    ended: [],
    ...changed,
  }
}

/** One time for all users of a test, so that the same ones have the same name. */
const NOW_S = Math.floor(Date.now() / 1000)

/** A user of the hub's minting. @param lifeS from now on; negative is expired */
export function turnUser({
  tenant = 'acme',
  contract = 'c1',
  subject = 'user:alice',
  lifeS = 300,
  secret = SECRET,
}: {
  tenant?: string
  contract?: string
  subject?: string
  lifeS?: number
  secret?: string
} = {}): TurnUserOptions {
  const username = turnUsername({
    expiresAtS: NOW_S + lifeS,
    tenantId: tenant,
    contractId: contract,
    subject: subjectTag(secret, tenant, subject),
  })
  return { username, password: turnCredential(secret, username) }
}

/** A peer: a plain UDP socket that keeps what it gets. */
export class Peer implements AsyncDisposable {
  readonly received: { readonly data: Buffer; readonly from: string }[] = []
  readonly #socket: Socket
  readonly endpoint: Endpoint

  private constructor(socket: Socket, ip: string) {
    this.#socket = socket
    this.endpoint = Endpoint.of(ip, socket.address().port)
    socket.on('message', (data, { address, port }) =>
      this.received.push({ data, from: Endpoint.of(address, port).toString() }),
    )
  }

  static async open(ip = '127.0.0.1'): Promise<Peer> {
    const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4')
    socket.bind(0, ip)
    await once(socket, 'listening')
    return new Peer(socket, ip)
  }

  send(data: Uint8Array, to: Endpoint): void {
    this.#socket.send(data, to.port, to.ip)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(resolve))
  }
}
