import { BondedSender, type BondedSenderOptions } from '../../agent/sender/bonded-sender.ts'
import { type FlowEvent, RistReceiver, type RistReceiverOptions } from '../../sfu/ingress/rist-receiver.ts'
import type { Rejection } from '../../sfu/ingress/rist-rejections.ts'
import type { FlowStats } from '../../sfu/ingress/rist-stats.ts'
import { freeUdpPorts } from './udp-ports.ts'

/** Credentials of one stream, made up. */
export const RIST_SECRETS = {
  passphrase: 'rist-test-passphrase-7316',
  aesBits: 256 as const,
  username: 'camera-7316',
  password: 'rist-test-password-7316',
}

/** A receiver that remembers all it was told. */
export interface ListeningReceiver extends AsyncDisposable {
  readonly ports: readonly number[]
  readonly chunks: Buffer[]
  readonly events: FlowEvent[]
  readonly stats: FlowStats[]
  readonly rejections: Rejection[]
  readonly lines: string[]
  reasons(): string[]
}

export async function listen(
  links: number,
  options: Partial<RistReceiverOptions> = {},
): Promise<ListeningReceiver> {
  const ports = await freeUdpPorts(links)
  const chunks: Buffer[] = []
  const events: FlowEvent[] = []
  const stats: FlowStats[] = []
  const rejections: Rejection[] = []
  const lines: string[] = []
  const receiver = await RistReceiver.open({
    address: '127.0.0.1',
    links: ports.map((port) => ({ port })),
    ...RIST_SECRETS,
    buffer: { minMs: 50, maxMs: 50 },
    onData: (chunk) => chunks.push(Buffer.from(chunk)),
    onFlow: (event) => events.push(event),
    onStats: (one) => stats.push(one),
    onRejected: (rejection) => rejections.push(rejection),
    onLog: (line) => lines.push(line.message),
    ...options,
  })
  return {
    ports,
    chunks,
    events,
    stats,
    rejections,
    lines,
    reasons: () => [...new Set(rejections.map((rejection) => rejection.reason))],
    [Symbol.asyncDispose]: () => receiver[Symbol.asyncDispose](),
  }
}

/** A sender that numbers its packets and sends 200 of them a second (2 Mb/s) until it is disposed. */
export interface CountingSender extends AsyncDisposable {
  readonly sender: BondedSender
  readonly id: number
  /** Packets written up to now. */
  readonly written: number
  /** Stops writing but stays connected. */
  pause(): void
  resume(): void
}

const PACKET_BYTES = 7 * 188
let lastId = 0

/** Where `countOf` and `idOf` read the number of a packet and of its sender. */
const COUNT_OFFSET = 8
const ID_OFFSET = 12

export async function sendCounting(
  ports: readonly number[],
  options: Partial<BondedSenderOptions> = {},
): Promise<CountingSender> {
  lastId++
  const id = lastId
  const sender = await BondedSender.open({
    links: ports.map((port, index) => ({ host: '127.0.0.1', port, cname: `uplink-${index}` })),
    mode: 'duplicate',
    bufferMs: 100,
    ...RIST_SECRETS,
    ...options,
  })
  const packet = Buffer.alloc(PACKET_BYTES, 0xff)
  for (let offset = 0; offset < PACKET_BYTES; offset += 188) packet[offset] = 0x47
  packet.writeUInt32BE(id, ID_OFFSET)
  let written = 0
  let paused = false
  const timer = setInterval(() => {
    for (let count = 0; count < 2 && !paused; count++) {
      packet.writeUInt32BE(written, COUNT_OFFSET)
      written++
      sender.write(packet)
    }
  }, 10)
  return {
    sender,
    id,
    get written() {
      return written
    },
    pause: () => {
      paused = true
    },
    resume: () => {
      paused = false
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer)
      await sender[Symbol.asyncDispose]()
    },
  }
}

export const countOf = (chunk: Buffer): number => chunk.readUInt32BE(COUNT_OFFSET)
export const idOf = (chunk: Buffer): number => chunk.readUInt32BE(ID_OFFSET)

/** How many numbers are missing between the first and the last of a sender's chunks. */
export function missing(chunks: readonly Buffer[]): number {
  const numbers = chunks.map(countOf)
  return numbers.length === 0 ? 0 : numbers.at(-1)! - numbers[0]! + 1 - new Set(numbers).size
}
