import koffi from 'koffi'
import { Endpoint } from '../../../common/net/endpoint.ts'
import { UdpSocket } from '../../../common/net/udp-socket.ts'
import { METHOD } from '../../../common/stun/stun-types.ts'
import { DatagramBatch } from '../../../sfu/lane/datagram-batch.ts'
import { codeOf, TurnClient, udpTransport } from '../../support/turn-client.ts'
import { turnUser } from '../../support/turn-rig.ts'
import { type DatagramReader, noteArrivals } from '../fanout/datagram-reader.ts'

/** Of media, without headers of TURN. */
export const PACKET_BYTES = 1200
const CHANNEL = 0x4000
/** Allocations of one user: more would be too many at a time. */
const CYCLES_OF_USER = 50
const BUFFERS = { send: 4 * 1024 * 1024, receive: 4 * 1024 * 1024 }

/** What arrived at one end. */
export class Arrivals {
  packets = 0
  /** Delays from the call that sent to the kernel's note of arrival, ms; kept while `keeping`. */
  readonly delays: number[] = []
  keeping = false
}

/** A UDP socket that sends stamped packets and counts those that arrive. */
class End implements Disposable {
  readonly socket: UdpSocket
  readonly arrivals: Arrivals
  readonly #batch = new DatagramBatch(false)
  readonly #packet: Buffer
  readonly #stampAt: number
  readonly #poll: ReturnType<typeof koffi.node.poll>

  /** @param header of ChannelData in front of each packet, bytes: 0 or 4 */
  constructor(socket: UdpSocket, header: number, arrivals: Arrivals, reader: DatagramReader) {
    this.socket = socket
    this.arrivals = arrivals
    this.#packet = Buffer.alloc(header + PACKET_BYTES)
    if (header > 0) {
      this.#packet.writeUInt16BE(CHANNEL, 0)
      this.#packet.writeUInt16BE(PACKET_BYTES, 2)
    }
    this.#stampAt = header
    noteArrivals(socket.descriptor)
    const take = (datagram: Buffer, arrivedMs: number | null) => {
      if (datagram.length !== header + PACKET_BYTES) return
      arrivals.packets += 1
      if (arrivals.keeping && arrivedMs !== null)
        arrivals.delays.push(arrivedMs - datagram.readDoubleLE(header))
    }
    this.#poll = koffi.node.poll(socket.descriptor, { readable: true }, () =>
      reader.read(socket.descriptor, take),
    )
  }

  send(count: number): void {
    for (let sent = 0; sent < count; sent += 1) {
      // The clock of the kernel's notes.
      this.#packet.writeDoubleLE(performance.timeOrigin + performance.now(), this.#stampAt)
      this.#batch.add(this.#packet)
      if (this.#batch.full) this.#flush()
    }
    this.#flush()
  }

  #flush(): void {
    this.#batch.flush((messages, left) => this.socket.sendMany(messages, left))
  }

  [Symbol.dispose](): void {
    this.#poll.close()
    this.socket[Symbol.dispose]()
  }
}

/** A client with a channel to a peer, both of which send and receive. `direct`: without a relay between them. */
export class TurnLeg implements Disposable {
  readonly toPeer = new Arrivals()
  readonly toClient = new Arrivals()
  readonly #client: End
  readonly #peer: End

  private constructor(client: UdpSocket, peer: UdpSocket, reader: DatagramReader, header: number) {
    this.#client = new End(client, header, this.toClient, reader)
    this.#peer = new End(peer, 0, this.toPeer, reader)
  }

  static async relayed(port: number, reader: DatagramReader): Promise<TurnLeg> {
    const client = UdpSocket.open('127.0.0.1', 0, BUFFERS)
    const peer = UdpSocket.open('127.0.0.1', 0, BUFFERS)
    client.connect('127.0.0.1', port)
    const relayed = await allocate(client, peer.port)
    peer.connect('127.0.0.1', relayed.port)
    return new TurnLeg(client, peer, reader, 4)
  }

  static direct(reader: DatagramReader): TurnLeg {
    const client = UdpSocket.open('127.0.0.1', 0, BUFFERS)
    const peer = UdpSocket.open('127.0.0.1', 0, BUFFERS)
    client.connect('127.0.0.1', peer.port)
    peer.connect('127.0.0.1', client.port)
    return new TurnLeg(client, peer, reader, 0)
  }

  /** Sends packets of both ends. */
  send(count: number): void {
    this.#client.send(count)
    this.#peer.send(count)
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]()
    this.#peer[Symbol.dispose]()
  }
}

/** An allocation with a channel, by a socket that is ours already. */
async function allocate(socket: UdpSocket, peerPort: number): Promise<Endpoint> {
  const client = TurnClient.over((bytes) => void socket.send(bytes), turnUser())
  const buffer = Buffer.alloc(2048)
  const poll = koffi.node.poll(socket.descriptor, { readable: true }, () => {
    const bytes = socket.receive(buffer)
    if (bytes > 0) client.hear(Buffer.from(buffer.subarray(0, bytes)))
  })
  try {
    const relayed = await client.allocate()
    const code = codeOf(await client.bind(CHANNEL, Endpoint.of('127.0.0.1', peerPort)))
    if (code !== 0) throw new Error(`the channel is refused: ${code}`)
    return relayed
  } finally {
    poll.close()
  }
}

/** Makes and ends allocations, several clients at a time. @returns how many a second */
export async function allocationsPerSecond(port: number, count: number, atOnce: number): Promise<number> {
  const startedAt = performance.now()
  let left = count
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      await using client = await TurnClient.udp({ ip: '127.0.0.1', port }, turnUser())
      await client.challenge()
      while (left-- > 0) {
        // No single user may do this so often.
        const user = turnUser({ subject: `user:${Math.floor(left / CYCLES_OF_USER)}` })
        const [code, ended] = await client.as(user, async () => [
          codeOf(await client.request(METHOD.allocate, udpTransport)),
          codeOf(await client.refresh(0)),
        ])
        if (code !== 0 || ended !== 0) throw new Error(`allocation ${code}, its end ${ended}`)
      }
    }),
  )
  return (count * 1000) / (performance.now() - startedAt)
}
