import { lookup } from 'node:dns/promises'
import { isIP, isIPv6, type Socket } from 'node:net'
import type { ChildWatch } from '../../common/supervision/child-watch.ts'
import type { TurnReady } from '../../common/wire/turn-ipc.ts'
import type { RelayFacts } from '../../policy/relays.ts'
import type { TurnListener, TurnProcess, TurnProcessOptions } from '../../turn/turn-process.ts'
import type { Config } from '../config/config.ts'
import type { MediaAddresses } from '../media-addresses/media-addresses.ts'
import { isLoopback } from '../tls/loopback.ts'
import type { Tls } from '../tls/open-tls.ts'
import { LongEnds } from './long-ends.ts'
import { mediaPeers } from './media-peers.ts'
import { ownPorts } from './own-ports.ts'
import type { Relay } from './relay-book.ts'
import { secureTurnHostOf, turnHostOf, turnIpOf } from './turn-place.ts'
import { turnUrls } from './turn-urls.ts'
import { TurnUsage } from './turn-usage.ts'

/** Of all credentials; at most 8 bytes, so that answers to strangers stay small. */
const REALM = 'lanecast'

const NOT_YET = 'its process has not started yet'

/** What happens to the hub's own TURN process. */
export interface EmbeddedEvents {
  ready(bound: TurnReady): void
  state: TurnListener['state']
  refused: TurnListener['refused']
  /** @param worked whether this process had worked before */
  trouble(kind: Parameters<TurnListener['trouble']>[0], what: string, worked: boolean): void
}

export interface EmbeddedRelayOptions {
  readonly config: Config
  readonly addresses: Pick<MediaAddresses, 'announced'>
  /** For this hub alone: a restarted hub has other contracts, and other credentials. */
  readonly secret: string
  readonly watch: ChildWatch
  readonly events: EmbeddedEvents
}

/**
 * The hub's own TURN server, in a process of its own. It relays to the hub's media addresses, and is listed in contracts
 * while its ports are open. Where a port is taken, the process is started again until it has the port.
 */
export class EmbeddedRelay implements Relay, AsyncDisposable {
  readonly nodeId: string
  readonly secret: string
  /** What each contract relays now. */
  readonly usage = new TurnUsage()
  readonly #options: EmbeddedRelayOptions
  readonly #most: number
  readonly #longEnds = new LongEnds((contractId) => this.#process?.endContract(contractId))
  #process: TurnProcess | null = null
  #detach = (): void => {}
  /** Counts starts: a start that waited for names gives way to a later one. */
  #begun = 0
  #allocations = 0
  /** Port of the hub's HTTPS; null where it has plain HTTP. */
  #https: number | null = null
  #down: string | null = NOT_YET

  constructor(options: EmbeddedRelayOptions) {
    const { config, secret } = options
    this.#options = options
    this.nodeId = config.hubId
    this.secret = secret
    const [first, last] = config.turnRelayPorts
    this.#most = last - first + 1
  }

  get facts(): RelayFacts {
    return {
      nodeId: this.nodeId,
      tenantId: null,
      region: null,
      down: this.#down,
      load: this.#allocations / this.#most,
      rttMs: null,
      loss: 0,
    }
  }

  get urls(): readonly string[] {
    const bound = this.#process?.ready
    if (!bound) return []
    const port = (listening: TurnReady['udp']) => listening[0]?.port ?? null
    const own = { udp: port(bound.udp), tcp: port(bound.tcp), tls: port(bound.tls) }
    const { config, addresses } = this.#options
    const secure = secureTurnHostOf(config, addresses.announced.rtc)
    return turnUrls(this.#host(), { ...own, https: bound.handed ? this.#https : null }, secure)
  }

  /** Allocations that run now. */
  get allocations(): number {
    return this.#allocations
  }

  /** Process id of the process that runs now, for operators and tests. */
  get pid(): number | undefined {
    return this.#process?.pid
  }

  /**
   * Starts the process, or starts it anew where the hub's addresses have changed.
   * @param tls certificate of the listener for TLS; null for none
   * @param httpPort of the hub, which takes TURN where it has TLS
   * @throws where an announced name has no address
   */
  async begin(tls: Tls | null, httpPort: number): Promise<void> {
    const { config, watch, addresses } = this.#options
    const begun = ++this.#begun
    this.#down = NOT_YET
    this.#https = tls ? httpPort : null
    const [{ TurnProcess }, announced, media] = await Promise.all([
      import('../../turn/turn-process.ts'),
      addressesOf(this.#host()),
      mediaHosts(addresses.announced),
      this.#stop(),
    ])
    if (begun !== this.#begun) return
    const certificate = tls && certificateOf(tls.options)
    this.#process = new TurnProcess({
      start: startOf(config, this.secret, { announced, media, certificate }),
      watch,
      listener: this.#listener,
    })
    if (certificate && tls)
      this.#detach = tls.attach({
        setSecureContext: (context) => {
          const { cert, key } = certificateOf(context)
          this.#process?.certificate(cert, key)
        },
      })
  }

  /** Takes a connection on the port of HTTPS that speaks TURN. @returns false while there is no process that works */
  take(socket: Socket, first: Buffer): boolean {
    return this.#process?.take(socket, first) ?? false
  }

  ended(contractId: string, credentialsUntilMs: number): void {
    this.#process?.endContract(contractId)
    this.#longEnds.add(contractId, credentialsUntilMs)
    this.usage.forget(contractId)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#begun += 1
    this.#longEnds[Symbol.dispose]()
    await this.#stop()
  }

  async #stop(): Promise<void> {
    const process = this.#process
    this.#process = null
    this.#detach()
    this.#detach = () => {}
    await process?.[Symbol.asyncDispose]()
  }

  #host(): string {
    const { config, addresses } = this.#options
    return turnHostOf(config, addresses.announced.rtc)
  }

  readonly #listener: TurnListener = {
    ready: (bound) => {
      this.#down = null
      this.#options.events.ready(bound)
    },
    state: (state) => {
      this.#allocations = state.allocations
      this.usage.note(state.flows)
      this.#options.events.state(state)
    },
    refused: (refused) => this.#options.events.refused(refused),
    trouble: (kind, what) => {
      const worked = this.#down === null
      if (kind === 'failed' || kind === 'died') {
        if (kind === 'failed' || worked) this.#down = what
        this.#allocations = 0
        this.usage.clear()
      }
      this.#options.events.trouble(kind, what, worked)
    },
  }
}

type StartMessage = TurnProcessOptions['start']

function startOf(
  config: Config,
  secret: string,
  {
    announced,
    media,
    certificate,
  }: {
    /** Addresses of the relay as clients know it, and of the hub's media. */
    readonly announced: readonly string[]
    readonly media: readonly string[]
    readonly certificate: { readonly cert: string; readonly key: string } | null
  },
): StartMessage {
  const ip = turnIpOf(config)
  const at = [{ ip, port: config.turnPort }]
  const family = isIPv6(ip) ? 6 : 4
  const [first, last] = config.turnRelayPorts
  const ceiling = (kbps: number) => (kbps === 0 ? null : kbps)
  return {
    realm: REALM,
    secret,
    listen: { udp: at, tcp: at, tls: certificate ? [{ ip, port: config.turnTlsPort }] : [] },
    tls: certificate,
    relay: {
      addresses: [{ ip, announced: announced.find((each) => isIP(each) === family && each !== ip) ?? null }],
      ports: [first, last],
    },
    peers: {
      own: mediaPeers(config, media),
      ...ownPorts(config),
      allow: [...config.turnAllowPeers],
      deny: [...config.turnDenyPeers],
    },
    limits: {
      allocations_per_user: config.turnAllocationsPerCredential,
      allocations_per_subject: config.turnAllocationsPerSubject,
      allocations_per_tenant: config.turnAllocationsPerTenant,
      allocations_per_address: config.turnAllocationsPerAddress,
      allocations: last - first + 1,
      kbps_per_allocation: ceiling(config.turnKbpsPerAllocation),
      kbps_per_tenant: ceiling(config.turnKbpsPerTenant),
    },
  }
}

/** Where browsers send media, and senders RIST from elsewhere, as they know it. */
async function mediaHosts({ rtc, rist }: MediaAddresses['announced']): Promise<string[]> {
  const hosts = new Set(isLoopback(rist) ? [rtc] : [rtc, rist])
  return (await Promise.all([...hosts].map(addressesOf))).flat()
}

async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host) !== 0) return [host]
  return (await lookup(host, { all: true })).map(({ address }) => address)
}

/** @throws TypeError where the listener's certificate is not PEM */
function certificateOf({ cert, key }: { readonly cert?: unknown; readonly key?: unknown }) {
  if (typeof cert !== 'string' || typeof key !== 'string') throw new TypeError('the certificate is not PEM')
  return { cert, key }
}
