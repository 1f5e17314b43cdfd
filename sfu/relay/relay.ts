import { fileURLToPath } from 'node:url'
import type { types } from 'mediasoup'
import type { ChildWatch } from '../../common/supervision/child-watch.ts'
import { Supervisor } from '../../common/supervision/supervisor.ts'
import {
  type HubToRelay,
  type RelayToHub,
  type RelayTrack,
  relayToHubSchema,
} from '../../common/wire/relay-ipc.ts'
import { packetProcess } from '../packet-process.ts'
import { LOOPBACK } from '../router-pipes.ts'
import { noteDeath } from './relayed-track.ts'

const ENTRY = fileURLToPath(new URL('./relay-main.ts', import.meta.url))
const PACE = { initialMs: 50, maxMs: 5000, factor: 2, healthyMs: 10_000 }
const STOP_WITHIN_MS = 1500
/** The process reports twice a second. */
const SILENCE = { startMs: 10_000, workMs: 3000 }

export interface RelayDependencies {
  readonly watch: ChildWatch
  /** A process is at fault, or has `died` without being asked to. Its successor is on the way. */
  readonly trouble: (kind: string, what: string) => void
}

/**
 * The hub's side of one worker's relay process: the transport between worker and process, and the tracks that the process
 * feeds. A process that dies is replaced, and its successor feeds the same tracks from the same port.
 */
export class Relay implements AsyncDisposable {
  readonly #port: number
  readonly #supervisor: Supervisor<HubToRelay, RelayToHub>
  readonly #tracks = new Map<number, RelayTrack>()
  #transport: Promise<types.PipeTransport> | null = null
  #router: types.Router | null = null
  /** Time of the process's last report, by `machineMs`. */
  #reportedMs = 0
  /** Where the worker listens; null before the first transport. */
  #target: { readonly ip: string; readonly port: number } | null = null

  /** @param port the process's loopback port */
  constructor(port: number, { watch, trouble }: RelayDependencies) {
    this.#port = port
    this.#supervisor = new Supervisor({
      name: 'relay',
      program: () => packetProcess(ENTRY),
      said: relayToHubSchema,
      pace: PACE,
      stopWithinMs: STOP_WITHIN_MS,
      silence: { watch, ...SILENCE },
      trouble,
      started: (child) => this.#begin((message) => child.send(message)),
      heard: (message) => this.#heard(message, trouble),
      ended: ({ how }) => {
        for (const { position } of this.#tracks.values()) noteDeath(position, this.#reportedMs)
        trouble('died', `relay process: ${how}`)
      },
    })
  }

  /** Process id of the process that runs now, for operators and tests. */
  get pid(): number | undefined {
    return this.#supervisor.child?.pid
  }

  /**
   * The transport on the worker's router: it consumes the inputs and produces the lanes.
   * @throws when the worker dies meanwhile
   */
  async transport(router: types.Router): Promise<types.PipeTransport> {
    if (this.#router !== router) {
      this.#router = router
      const opening = this.#open(router)
      this.#transport = opening
      opening.catch(() => {
        if (this.#transport === opening) this.#router = null
      })
    }
    return this.#transport!
  }

  /** From now on the process feeds each track's lane from the track's input, and updates `position` of these objects. */
  feed(tracks: readonly RelayTrack[]): void {
    for (const track of tracks) this.#tracks.set(track.ssrc, track)
    this.#supervisor.tell({ type: 'feed', tracks: [...tracks] })
  }

  /** Forgets SSRCs of lanes. */
  drop(ssrcs: readonly number[]): void {
    for (const ssrc of ssrcs) this.#tracks.delete(ssrc)
    this.#supervisor.tell({ type: 'drop', ssrcs: [...ssrcs] })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#supervisor[Symbol.asyncDispose]()
    const transport = await this.#transport?.catch(() => null)
    transport?.close()
  }

  async #open(router: types.Router): Promise<types.PipeTransport> {
    const transport = await router.createPipeTransport({ listenInfo: LOOPBACK })
    try {
      await transport.connect({ ip: '127.0.0.1', port: this.#port })
      this.#target = { ip: '127.0.0.1', port: transport.tuple.localPort }
      this.#supervisor.tell({ type: 'connect', ...this.#target })
      return transport
    } catch (error) {
      transport.close()
      throw error
    }
  }

  /** The first process may start before the supervisor is made. */
  #begin(tell: (message: HubToRelay) => void): void {
    tell({ type: 'start', rtp_port: this.#port })
    if (this.#target) tell({ type: 'connect', ...this.#target })
    if (this.#tracks.size > 0) tell({ type: 'feed', tracks: [...this.#tracks.values()] })
  }

  #heard(message: RelayToHub, trouble: RelayDependencies['trouble']): void {
    if (message.type === 'ready') this.#supervisor.working()
    else if (message.type === 'failed') trouble('failed', message.message)
    else {
      this.#reportedMs = message.at_ms
      for (const position of message.positions) {
        const track = this.#tracks.get(position.ssrc)
        if (track) track.position = position
      }
    }
  }
}
