import { CodedError } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import { isPortFree } from '../common/net/udp-socket.ts'
import { ChildWatch } from '../common/supervision/child-watch.ts'
import { StartGate } from '../common/supervision/start-gate.ts'
import { FieldSource, type FieldSourceSpec } from './field-source.ts'
import { PortRange } from './ingress/port-range.ts'
import { Relays } from './relay/relays.ts'
import { Stream, type StreamDependencies, type StreamSpec } from './stream.ts'
import type { Slates } from './switch/lane-slate.ts'
import type { SwitchedOptions } from './switch/switched-options.ts'
import { SwitchedSource } from './switch/switched-source.ts'
import type { WorkerSlot } from './worker-pool.ts'

export interface RegistryPorts {
  /** UDP ports to which field senders push RIST, both ends included. */
  readonly rist: readonly [number, number]
  /** Local IP address of the RIST ports. */
  readonly ristIp: string
  /** Loopback UDP ports that ingress and relay processes send RTP from, both ends included. */
  readonly rtp: readonly [number, number]
}

/** The request for a field sender's stream. Ports that are not given are taken from the registry's ranges. */
export type FieldStreamRequest = Omit<FieldSourceSpec, 'rtpPort' | 'input'> & {
  readonly input: Omit<FieldSourceSpec['input'], 'links'>
  /** How many links the sender may bond, 1 to 16, or the exact ports to listen on. */
  readonly links: number | readonly number[]
}

/**
 * Share of the loopback ports that switched streams leave to streams with a sender of their own. They take a port for
 * each input, there or not: a few tenants with many programs would keep everybody's senders out.
 */
const FOR_SENDERS = 0.25

interface Entry {
  readonly stream: Stream
  /** The ports of the stream's ingress; null for a stream without one. */
  readonly ports: { readonly rist: readonly number[]; readonly rtp: number } | null
  /** What switches the stream's inputs, where it has several. */
  readonly switched?: SwitchedSource
}

export interface RegistryDependencies extends Omit<StreamDependencies, 'relays'> {
  readonly logger: Logger
  /** Makes what a switched stream shows without an input; left out, its last picture stands. */
  readonly slates?: Slates
}

/** Hears of streams that come and go. None of these may throw. */
export interface RegistryListener {
  opened?(stream: Stream): void
  /** The stream is about to be closed, and is no longer found. */
  closed?(stream: Stream): void
}

/** Every stream of this hub by tenant and id: the one place where publishers and viewers meet. */
export class StreamRegistry implements AsyncDisposable {
  readonly #streams = new Map<string, Entry>()
  /** Closing streams whose ports may still be in use. */
  readonly #closing = new Set<Entry>()
  readonly #rist: PortRange
  readonly #rtp: PortRange
  readonly #deps: RegistryDependencies
  readonly #relays: Relays
  readonly #listeners = new Set<RegistryListener>()
  readonly #ingresses = { watch: new ChildWatch(), gate: new StartGate() }

  constructor(ports: RegistryPorts, deps: RegistryDependencies) {
    this.#rist = new PortRange(...ports.rist, 'rist_ports', (port) => isPortFree(ports.ristIp, port))
    this.#rtp = new PortRange(...ports.rtp, 'rtp_ports', (port) => isPortFree('127.0.0.1', port))
    const { placement } = deps
    this.#deps = {
      ...deps,
      placement: {
        forLane: () => placement.forLane((slot) => this.lanesOn(slot)),
        takeForViewer: (has) => placement.takeForViewer(has),
      },
    }
    this.#relays = new Relays(() => this.#rtp.take(1)[0]!, {
      watch: this.#ingresses.watch,
      trouble: (kind, what) => deps.events.error('relay', kind, what),
    })
  }

  /**
   * Opens a stream that waits for a publisher over WebRTC.
   * @throws CodedError `stream_exists` (409)
   */
  open(spec: StreamSpec): Stream {
    return this.#add(spec, null)
  }

  /**
   * Opens a field sender's stream and starts its ingress.
   * @throws CodedError `stream_exists` (409), `ports_exhausted` (503)
   */
  openField({ links, ...request }: FieldStreamRequest): Stream {
    const { tenantId, streamId, streamClass } = request
    this.#refuseSecond(tenantId, streamId)
    const ports = typeof links === 'number' ? this.#rist.take(links) : [...links]
    if (typeof links !== 'number') this.#rist.claim(ports)
    const rtpPort = this.#takeRtpPort(ports)
    const stream = this.#add({ tenantId, streamId, streamClass }, { rist: ports, rtp: rtpPort })
    const input = { ...request.input, links: ports.map((port) => ({ port })) }
    stream.attach(
      (host) =>
        new FieldSource({ ...request, input, rtpPort }, host, { ...this.#deps, ingresses: this.#ingresses }),
    )
    return stream
  }

  /**
   * Opens a stream that shows one of several others of its tenant.
   * @throws CodedError `stream_exists` (409), `ports_exhausted` (503), and those of `SwitchedSource.setInputs`
   */
  openSwitched(spec: StreamSpec, options: SwitchedOptions): Stream {
    const { tenantId, streamId } = spec
    this.#refuseSecond(tenantId, streamId)
    const stream = new Stream(spec, { ...this.#deps, relays: this.#relays })
    const switched = stream.attach(
      (host) =>
        new SwitchedSource(spec, host, options, {
          events: this.#deps.events,
          processes: this.#ingresses,
          slates: this.#deps.slates ?? null,
          find: (id) => this.get(tenantId, id),
          takePort: () => this.#rtp.take(1, Math.floor(this.#rtp.size * FOR_SENDERS))[0]!,
          givePort: (port) => this.#rtp.give([port]),
        }),
    )
    return this.#keep({ stream, ports: null, switched })
  }

  /** What switches the inputs of a stream; undefined where the stream has one input. */
  switched(tenantId: string, streamId: string): SwitchedSource | undefined {
    return this.#streams.get(keyOf(tenantId, streamId))?.switched
  }

  /** Whether a stream is an input of another. */
  isInput(tenantId: string, streamId: string): boolean {
    for (const { stream, switched } of this.#streams.values())
      if (switched?.hasInput(streamId) && stream.spec.tenantId === tenantId) return true
    return false
  }

  /** Tells a listener which streams come and go from now on. Call the returned function to stop. */
  watch(listener: RegistryListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #add(spec: StreamSpec, ports: Entry['ports']): Stream {
    this.#refuseSecond(spec.tenantId, spec.streamId)
    return this.#keep({ stream: new Stream(spec, { ...this.#deps, relays: this.#relays }), ports })
  }

  #keep(entry: Entry): Stream {
    const { stream } = entry
    this.#streams.set(keyOf(stream.spec.tenantId, stream.spec.streamId), entry)
    this.#streamsChanged(stream)
    for (const listener of this.#listeners) listener.opened?.(stream)
    return stream
  }

  #streamsChanged({ spec: { tenantId, streamId } }: Stream): void {
    for (const { stream, switched } of this.#streams.values())
      if (stream.spec.tenantId === tenantId) switched?.streamsChanged(streamId)
  }

  #refuseSecond(tenantId: string, streamId: string): void {
    const entry = this.#streams.get(keyOf(tenantId, streamId))
    if (!entry) return
    const details = entry.switched
      ? ['it has inputs of its own: publish under another name, and make that stream an input of it']
      : []
    throw new CodedError('stream_exists', `stream ${streamId} is open already`, { details })
  }

  #takeRtpPort(ristPorts: readonly number[]): number {
    try {
      return this.#rtp.take(1)[0]!
    } catch (error) {
      this.#rist.give(ristPorts)
      throw error
    }
  }

  /** RIST ports for a stream that is about to be opened on them. @throws CodedError `ports_exhausted` (503) */
  takeRistPorts(count: number): number[] {
    return this.#rist.take(count)
  }

  /**
   * Gives back ports on which no stream was opened. An opened stream gives back its own ports when it has closed, and
   * another stream may have opened on them since.
   */
  giveRistPorts(ports: readonly number[]): void {
    const entries = [...this.#streams.values(), ...this.#closing]
    const held = new Set(entries.flatMap((entry) => entry.ports?.rist ?? []))
    this.#rist.give(ports.filter((port) => !held.has(port)))
  }

  get(tenantId: string, streamId: string): Stream | undefined {
    return this.#streams.get(keyOf(tenantId, streamId))?.stream
  }

  list(): Stream[] {
    return Array.from(this.#streams.values(), ({ stream }) => stream)
  }

  /** Number of lanes on a worker, with those that were promised to it and wait for input. */
  lanesOn(slot: WorkerSlot): number {
    return this.list().filter((stream) => stream.place === slot).length
  }

  /** A dead worker's successor is up: rebuilds the lanes that died. */
  workerReplaced(): void {
    for (const stream of this.list()) stream.workerReplaced()
  }

  async close(tenantId: string, streamId: string): Promise<void> {
    const key = keyOf(tenantId, streamId)
    const entry = this.#streams.get(key)
    if (!entry) return
    this.#streams.delete(key)
    this.#streamsChanged(entry.stream)
    for (const listener of this.#listeners) listener.closed?.(entry.stream)
    this.#closing.add(entry)
    try {
      await entry.stream[Symbol.asyncDispose]()
    } finally {
      this.#closing.delete(entry)
      if (entry.ports) {
        this.#rist.give(entry.ports.rist)
        this.#rtp.give([entry.ports.rtp])
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.list().map(({ spec }) => this.close(spec.tenantId, spec.streamId)))
    await this.#relays[Symbol.asyncDispose]()
    this.#ingresses.watch[Symbol.dispose]()
  }
}

/** Ids hold no slash. */
function keyOf(tenantId: string, streamId: string): string {
  return `${tenantId}/${streamId}`
}
