import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ContractSenderOptions } from '../../agent/sender/contract-sender.ts'
import { ContractSender } from '../../agent/sender/contract-sender.ts'
import { CodedError } from '../../common/errors.ts'
import { type FlowContract, NO_RELAYS } from '../../common/wire/flow-contract.ts'
import type { DetourHolder } from '../../signaling/detour/detour-admission.ts'
import { DETOUR_PATH, DetourDoor } from '../../signaling/detour/detour-door.ts'
import { type RecordedEvent, recordEvents } from './recorded-events.ts'
import { RIST_SECRETS } from './rist-bench.ts'

export const TICKET = 'the ticket of a contract'
export const STREAM = { tenantId: 'default', streamId: 'cam-7316' }

/** A door for detours on an HTTP server of its own, with one contract. */
export interface OpenDoor extends AsyncDisposable {
  readonly door: DetourDoor
  readonly url: string
  readonly recorded: readonly RecordedEvent[]
  /** The connection that has the place of the contract. */
  readonly holder: DetourHolder | null
  readonly counts: Readonly<Record<'received' | 'sent' | 'dropped', number>>
}

export interface DoorBenchOptions {
  /** Of the contract's links. */
  readonly ports: readonly number[]
  readonly kbps?: number
  readonly maxConnections?: number
}

export async function openDoor({
  ports,
  kbps = 20_000,
  maxConnections = 4,
}: DoorBenchOptions): Promise<OpenDoor> {
  const { events, recorded } = recordEvents()
  const counts = { received: 0, sent: 0, dropped: 0 }
  let present: DetourHolder | null = null
  const door = new DetourDoor({
    maxConnections,
    events,
    count: (what, amount) => {
      counts[what] += amount
    },
    admission: {
      admit(ticket, holder) {
        if (ticket !== TICKET) throw new CodedError('unknown_ticket', 'that ticket is unknown')
        present?.takenOver()
        present = holder
        return {
          stream: STREAM,
          address: '127.0.0.1',
          ports,
          kbps,
          [Symbol.dispose]: () => {
            if (present === holder) present = null
          },
        }
      },
    },
  })
  const server = createServer()
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {})
    door.upgrades.take(request, socket, head)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    door,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    recorded,
    get holder() {
      return present
    },
    counts,
    async [Symbol.asyncDispose]() {
      door[Symbol.dispose]()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A UDP way to a port that can be shut and opened again: what a firewall does to a link. */
export interface UdpGate extends Disposable {
  readonly port: number
  open: boolean
  /** Whether datagrams from this port get through although it is shut; nobody's by default. */
  lets: (port: number) => boolean
}

export async function openUdpGate(target: number, open: boolean): Promise<UdpGate> {
  const front = createSocket('udp4')
  front.bind(0, '127.0.0.1')
  await once(front, 'listening')
  const backs = new Map<number, ReturnType<typeof createSocket>>()
  const gate = {
    port: front.address().port,
    open,
    lets: (_port: number): boolean => false,
    [Symbol.dispose]: () => {
      front.close()
      for (const back of backs.values()) back.close()
    },
  }
  front.on('message', (datagram, { port }) => {
    if (!gate.open && !gate.lets(port)) return
    const back = backs.get(port) ?? createSocket('udp4')
    if (!backs.has(port)) {
      backs.set(port, back)
      back.on('message', (answer) => {
        if (gate.open || gate.lets(port)) front.send(answer, port, '127.0.0.1')
      })
    }
    back.send(datagram, target, '127.0.0.1')
  })
  return gate
}

/** A contract as a hub at `ports` would grant it, with the detour over a WebSocket. */
export function detourContract(ports: readonly number[], more: Partial<FlowContract> = {}): FlowContract {
  return {
    contract_id: 'c-7316',
    version: 1,
    tenant_id: STREAM.tenantId,
    stream_id: STREAM.streamId,
    class: 'record',
    mode: 'overlay-relay',
    transport: 'rist',
    endpoints: ports.map((port) => ({ node_id: 'hub', address: '127.0.0.1', port })),
    detours: [{ via: 'wss', url: DETOUR_PATH, queue_ms: 300 }],
    keys: {
      passphrase: RIST_SECRETS.passphrase,
      aes_bits: 256,
      username: RIST_SECRETS.username,
      password: RIST_SECRETS.password,
    },
    join: { protoo_url: '/protoo', whip_url: null, ticket: TICKET, ...NO_RELAYS },
    buffer: { start_ms: 100, min_ms: 100, max_ms: 300, rtt_multiple: 4 },
    pacing: { target_kbps: 3000, max_kbps: 10_000, burst_ms: 5 },
    abr: { min_kbps: 600, start_kbps: 3000, max_kbps: 8000 },
    overlay: { path: ['hub'], edge: 'hub', bindings: [] },
    latency: { budget_ms: 1000, estimate_ms: 200, stages: [] },
    reasons: ['a test asks'],
    expires_at: Date.now() + 60_000,
    ...more,
  }
}

/** A sender by contract that writes 200 numbered packets a second, as `sendCounting` does. */
export async function sendByContract(
  contract: FlowContract,
  options: ContractSenderOptions,
): Promise<AsyncDisposable & { readonly sender: ContractSender }> {
  await using stack = new AsyncDisposableStack()
  const sender = stack.use(new ContractSender(options))
  await sender.apply(contract)
  const packet = Buffer.alloc(7 * 188, 0xff)
  for (let offset = 0; offset < packet.length; offset += 188) packet[offset] = 0x47
  let written = 0
  const timer = setInterval(() => {
    for (let count = 0; count < 2; count += 1) {
      packet.writeUInt32BE(written, 8)
      written += 1
      sender.write(packet)
    }
  }, 10)
  stack.defer(() => clearInterval(timer))
  const owned = stack.move()
  return { sender, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
