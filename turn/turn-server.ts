import { randomBytes } from 'node:crypto'
import { Endpoint } from '../common/net/endpoint.ts'
import { StunMessage } from '../common/stun/stun-message.ts'
import { CLASS, METHOD } from '../common/stun/stun-types.ts'
import type { Handed, TurnCounters, TurnFlow, TurnReady, TurnStart } from '../common/wire/turn-ipc.ts'
import type { Allocation, Client } from './allocation.ts'
import { Allocations } from './allocations.ts'
import { EndedContracts } from './ended-contracts.ts'
import { FlowReports } from './flow-reports.ts'
import { Nonces } from './nonces.ts'
import { Packets } from './packets.ts'
import { isUnspecified, PeerRules } from './peer-rules.ts'
import { type RefusalEntry, RefusalLog } from './refusal-log.ts'
import { RelayPorts } from './relay-ports.ts'
import { Relaying } from './relaying.ts'
import { Requests } from './requests.ts'
import { Reservations } from './reservations.ts'
import { type Certificate, StreamListener, type StreamListenerOptions } from './stream-listener.ts'
import { Readable, UdpListener } from './udp-listener.ts'

/** How often what nobody refreshed is looked for, ms. */
const SWEEP_EVERY_MS = 1000
/** The first byte of ChannelData is above all of STUN's, RFC 8656, section 12. */
const CHANNEL_FROM = 0x40
const CHANNEL_TO = 0x80

export interface TurnClock {
  /** Steady, ms. */
  nowMs(): number
  /** Since 1970, ms. */
  wallMs(): number
}

const CLOCK: TurnClock = { nowMs: () => performance.now(), wallMs: () => Date.now() }

/** A TURN server (RFC 8656) with its listeners, allocations and relayed ports. It closes all of them. */
export class TurnServer implements AsyncDisposable {
  readonly #packets = new Packets()
  readonly #refusals = new RefusalLog()
  readonly #ended = new EndedContracts()
  readonly #udp: UdpListener[] = []
  readonly #streams: StreamListener[] = []
  readonly #watched = new Map<Allocation, Readable>()
  readonly #ours = new Set<string>()
  /** Ports that listen at each address of the machine. */
  readonly #anywhere = new Set<number>()
  readonly #resources = new AsyncDisposableStack()
  readonly #clock: TurnClock
  readonly #flows: FlowReports
  readonly #allocations: Allocations
  readonly #reservations: Reservations
  readonly #relaying: Relaying
  readonly #requests: Requests

  private constructor({ realm, secret, relay, peers, limits, ended }: TurnStart, clock: TurnClock) {
    this.#clock = clock
    this.#flows = new FlowReports(() => clock.wallMs())
    for (const contractId of ended) this.#ended.add(contractId, clock.nowMs())
    const rules = new PeerRules(peers)
    const isOurs = (peer: Endpoint) =>
      this.#ours.has(peer.toString()) || (this.#anywhere.has(peer.port) && rules.isOwn(peer.ip))
    this.#allocations = new Allocations(limits, (allocation) => this.#onEnded(allocation))
    this.#reservations = this.#resources.use(new Reservations())
    this.#resources.defer(() => {
      for (const allocation of this.#allocations) this.#allocations.end(allocation)
    })
    const nowMs = () => clock.nowMs()
    this.#relaying = new Relaying({ packets: this.#packets, rules, isOurs, nowMs })
    this.#requests = new Requests({
      packets: this.#packets,
      authenticator: { realm, secret, nonces: new Nonces(), ended: this.#ended },
      refusals: this.#refusals,
      desk: {
        allocations: this.#allocations,
        ports: new RelayPorts(relay),
        reservations: this.#reservations,
        rules,
        isOurs,
        began: (allocation) => this.#onBegan(allocation),
      },
      nowMs,
      wallS: () => clock.wallMs() / 1000,
    })
    const sweep = setInterval(() => this.#sweep(), SWEEP_EVERY_MS)
    this.#resources.defer(() => clearInterval(sweep))
  }

  /** @throws Error such as `bind EADDRINUSE 127.0.0.1:3478`; then nothing is left open */
  static async open(start: TurnStart, clock = CLOCK): Promise<TurnServer> {
    await using stack = new AsyncDisposableStack()
    const server = stack.use(new TurnServer(start, clock))
    await server.#listen(start)
    stack.move()
    return server
  }

  /** The ports that are open. */
  readonly bound: TurnReady & { handed: Handed } = {
    udp: [],
    tcp: [],
    tls: [],
    handed: { port: 0, token: '' },
  }

  /** New connections over TLS get this certificate. @throws where it is none */
  setCertificate(certificate: Certificate): void {
    for (const listener of this.#streams) listener.setCertificate(certificate)
  }

  /** The contract's allocations end, and its credentials are good for nothing any more. */
  endContract(contractId: string): void {
    this.#ended.add(contractId, this.#clock.nowMs())
    this.#allocations.endContract(contractId)
  }

  /** Counters since the start, and the allocations whose figures changed since the last call. */
  report(): TurnCounters & { readonly flows: TurnFlow[] } {
    const { counts } = this.#refusals
    const streams = this.#streams
    const dropped = streams.reduce((sum, each) => sum + each.dropped, this.#packets.dropped)
    return {
      allocations: this.#allocations.size,
      allocated_total: this.#allocations.begun,
      bytes_to_clients: this.#relaying.bytesToClients,
      bytes_to_peers: this.#relaying.bytesToPeers,
      packets_dropped: dropped + this.#relaying.dropped,
      refused: {
        ...counts,
        withheld: this.#requests.withheld,
        connections: streams.reduce((sum, each) => sum + each.refused, 0),
      },
      quota_refused: {
        user: counts['quota_user'] ?? 0,
        subject: counts['quota_subject'] ?? 0,
        tenant: counts['quota_tenant'] ?? 0,
        address: counts['quota_address'] ?? 0,
        total: counts['quota_total'] ?? 0,
      },
      flows: this.#flows.take(this.#allocations),
    }
  }

  /** What was refused since the last call. */
  refusals(): RefusalEntry[] {
    return this.#refusals.take()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }

  async #listen({ listen, tls, limits }: TurnStart): Promise<void> {
    for (const { ip, port } of listen.udp) {
      const listener = new UdpListener(ip, port, this.#packets, this.#take)
      this.#udp.push(this.#resources.use(listener))
      this.#bound('udp', ip, listener.port)
    }
    const options = {
      packets: this.#packets,
      take: this.#take,
      gone: ({ allocation }: Client) => allocation && this.#allocations.end(allocation),
      nowMs: () => this.#clock.nowMs(),
      ofAddress: limits.allocations_per_address,
      total: limits.allocations,
    }
    const open = async (
      ip: string,
      port: number,
      own: Pick<StreamListenerOptions, 'certificate' | 'token'>,
    ) => {
      const listener = this.#resources.use(await StreamListener.open(ip, port, { ...options, ...own }))
      this.#streams.push(listener)
      return listener.port
    }
    if (listen.tls.length > 0 && !tls) throw new Error('a listener for TLS needs a certificate')
    for (const { ip, port } of listen.tcp) this.#bound('tcp', ip, await open(ip, port, { certificate: null }))
    for (const { ip, port } of listen.tls) this.#bound('tls', ip, await open(ip, port, { certificate: tls }))
    const token = randomBytes(16).toString('hex')
    this.bound.handed = { port: await open('127.0.0.1', 0, { certificate: null, token }), token }
  }

  #bound(protocol: 'udp' | 'tcp' | 'tls', ip: string, port: number): void {
    this.bound[protocol].push({ ip, port })
    if (protocol !== 'udp') return
    this.#ours.add(Endpoint.of(ip, port).toString())
    if (isUnspecified(ip)) this.#anywhere.add(port)
  }

  readonly #take = (client: Client, start: number, length: number): void => {
    const first = length === 0 ? CHANNEL_TO : this.#packets.bytes[start]!
    if (first >= CHANNEL_FROM && first < CHANNEL_TO) return this.#relaying.channelData(client, start, length)
    const message = StunMessage.read(this.#packets.bytes, start, length)
    if (!message) return this.#refusals.count('no_stun')
    if (message.class === CLASS.indication && message.method === METHOD.send)
      this.#relaying.send(client, message)
    else this.#requests.handle(client, message)
  }

  #onBegan(allocation: Allocation): void {
    const { client, relay } = allocation
    client.began()
    const take = (start: number, length: number, from: number) =>
      this.#relaying.fromPeer(allocation, start, length, from)
    const readable = new Readable(relay.socket, () => this.#packets.receive(relay.socket, take))
    this.#watched.set(allocation, readable)
  }

  #onEnded(allocation: Allocation): void {
    // What the client sent in this turn still leaves.
    if (allocation.queue.first !== -1) this.#packets.flush()
    allocation.client.ended()
    this.#watched.get(allocation)?.[Symbol.dispose]()
    this.#watched.delete(allocation)
    this.#flows.ended(allocation)
  }

  #sweep(): void {
    const nowMs = this.#clock.nowMs()
    this.#allocations.expire(nowMs)
    this.#reservations.expire(nowMs)
    this.#ended.forget(nowMs)
    this.#requests.sweep(nowMs)
    for (const listener of this.#streams) listener.closeIdle(nowMs)
  }
}
