import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { types } from 'mediasoup'
import { createLogger } from '../../common/logger.ts'
import { type SwitchRules, switchRulesOf } from '../../common/wire/switched-inputs.ts'
import { Lane } from '../../sfu/lane/lane.ts'
import { LaneIdentity } from '../../sfu/lane/lane-identity.ts'
import type { Stream } from '../../sfu/stream.ts'
import { StreamRegistry } from '../../sfu/stream-registry.ts'
import { Subscriber } from '../../sfu/subscriber.ts'
import type { Slates } from '../../sfu/switch/lane-slate.ts'
import type { SwitchedSource } from '../../sfu/switch/switched-source.ts'
import { LaneSource } from './lane-source.ts'
import { openWorkers, placementOn } from './local-workers.ts'
import { type RecordedEvent, recordEvents } from './recorded-events.ts'
import { freeUdpRange } from './udp-ports.ts'
import { until } from './until.ts'

const TENANT = 'default'
const PORTS = 60

export interface LanePacket {
  readonly kind: types.MediaKind
  readonly ssrc: number
  readonly sequence: number
  readonly timestamp: number
  readonly marker: boolean
  /** By which its input is known. */
  readonly mark: number
  /** Of a picture, the input's layer. */
  readonly layer: number
  readonly payload: Buffer
  readonly at: number
}

/** An input stream with pictures of a few bytes. */
export interface RigInput {
  readonly stream: Stream
  readonly source: LaneSource
  close(): Promise<void>
}

export interface SwitchedRig extends AsyncDisposable {
  readonly registry: StreamRegistry
  /** The first of the loopback ports for RTP. */
  readonly firstPort: number
  readonly switched: SwitchedSource
  readonly stream: Stream
  readonly inputs: ReadonlyMap<string, RigInput>
  readonly recorded: readonly RecordedEvent[]
  /** What a receiver of the lane got, in order of arrival. */
  readonly packets: readonly LanePacket[]
  /** Opens an input stream. Its packets end with `mark`. */
  open(id: string, mark: number, renditions?: number): Promise<RigInput>
  /** Waits until pictures of this mark arrive. */
  shows(mark: number, what: string): Promise<void>
}

/** A switched stream of real workers and a real switch process, with stand-ins for the inputs' senders. */
export async function openSwitched(
  ids: readonly string[],
  {
    rules = {},
    slates,
    renditions = 1,
    ports = PORTS,
  }: {
    rules?: Partial<SwitchRules>
    slates?: Slates
    renditions?: number
    /** How many loopback ports for RTP there are. */
    ports?: number
  } = {},
): Promise<SwitchedRig> {
  await using stack = new AsyncDisposableStack()
  const pool = stack.use(await openWorkers(1))
  const { events, recorded } = recordEvents()
  const first = await freeUdpRange(PORTS)
  const registry = stack.use(
    new StreamRegistry(
      { rist: [first, first + 1], ristIp: '127.0.0.1', rtp: [first + 2, first + ports - 1] },
      {
        placement: placementOn(pool),
        census: pool.census,
        events,
        logger: createLogger('silent'),
        ...(slates && { slates }),
      },
    ),
  )
  const inputs = new Map<string, RigInput>()
  const open = async (id: string, mark: number, layers = renditions): Promise<RigInput> => {
    const input = await openInput(registry, id, mark, layers)
    inputs.set(id, input)
    return input
  }
  const spec = { tenantId: TENANT, streamId: 'program', streamClass: 'director' as const }
  const stream = registry.openSwitched(spec, {
    inputs: ids.map((id) => ({ id })),
    rules: { ...switchRulesOf('director'), ...rules },
  })
  const switched = registry.switched(TENANT, 'program')!
  for (const [index, id] of ids.entries()) {
    await open(id, index + 1)
    // Whoever sends first is on air first.
    await until(() => switched.status.on_air === ids[0], `${ids[0]} is on air`)
  }
  const receiver = stack.use(await openReceiver())
  stack.use(
    new Subscriber({
      stream,
      connect: receiver.connect,
      demand: { video: true, audio: true, claim: 3 },
      consuming: receiver.consuming,
      failed: (error) => {
        throw error
      },
    }),
  )
  const { packets } = receiver
  const owned = stack.move()
  return {
    registry,
    firstPort: first + 2,
    stream,
    switched,
    inputs,
    recorded,
    packets,
    open,
    async shows(mark, what) {
      const from = packets.length
      await until(() => packets.slice(from).some((each) => each.kind === 'video' && each.mark === mark), what)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function openInput(
  registry: StreamRegistry,
  streamId: string,
  mark: number,
  renditions: number,
): Promise<RigInput> {
  const stream = registry.open({ tenantId: TENANT, streamId, streamClass: 'director' })
  const source = await LaneSource.open(mark)
  const identity = new LaneIdentity(streamId)
  const slot = stream.home()!
  const lane = await Lane.open(slot, { renditions, audio: true }, identity, source.port)
  source.feed(lane)
  const { producers } = lane
  stream.attach((host) => {
    queueMicrotask(() => host.mediaChanged())
    return {
      get media() {
        return lane.alive ? { slot, producers } : null
      },
      get clock() {
        return identity.clock
      },
      demanded: () => {},
      workerReplaced: () => {},
      async [Symbol.asyncDispose]() {
        source[Symbol.dispose]()
        lane.close()
      },
    }
  })
  return { stream, source, close: () => registry.close(TENANT, streamId) }
}

/** A program on loopback that takes the lane by a pipe, so that it sees each layer. */
async function openReceiver() {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const packets: LanePacket[] = []
  const kinds = new Map<number, types.MediaKind>()
  socket.on('message', (packet) => {
    const ssrc = packet.readUInt32BE(8)
    const kind = kinds.get(ssrc)
    if (!kind) return
    const extension = (packet[0]! & 0x10) !== 0 ? 4 + 4 * packet.readUInt16BE(14) : 0
    packets.push({
      kind,
      ssrc,
      sequence: packet.readUInt16BE(2),
      timestamp: packet.readUInt32BE(4),
      marker: (packet[1]! & 0x80) !== 0,
      mark: packet.at(-1)!,
      layer: kind === 'video' ? packet.at(-2)! : 0,
      payload: Buffer.from(packet.subarray(12 + extension)),
      at: performance.now(),
    })
  })
  return {
    packets,
    consuming(consumers: readonly types.Consumer[]) {
      for (const { kind, rtpParameters } of consumers)
        for (const { ssrc } of rtpParameters.encodings ?? []) if (ssrc) kinds.set(ssrc, kind)
    },
    async connect(router: types.Router) {
      const transport = await router.createPipeTransport({ listenInfo: { protocol: 'udp', ip: '127.0.0.1' } })
      await transport.connect({ ip: '127.0.0.1', port: socket.address().port })
      return transport
    },
    [Symbol.dispose]: () => void socket.close(),
  }
}
