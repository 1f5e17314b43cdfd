import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { LinkCounters, LinkOrder, LinkReply } from './impaired-link.ts'
import { Impairer, type Impairment, seededRandom, UNIMPAIRED } from './impairment.ts'

/**
 * The process of one impaired link: a UDP relay that gives every client a socket of its own towards the target, so that
 * the target tells clients apart as without the relay (or, on request, one socket for all).
 */

interface Due {
  readonly at: number
  readonly deliver: () => void
}

/** Node's timers end up to a millisecond late. Packets that are due within half a millisecond go with the batch. */
const SLACK_MS = 0.5
const BATCH_MS = 1
/** Stands for every client where they share one source port. */
const ANY_CLIENT = 0

/** Packets on their way, delivered in batches when their time has come. */
class Flight {
  /** Ordered by time; packets come almost in order, so insertion is at the end or near it. */
  readonly #queue: Due[] = []
  #timer: NodeJS.Timeout | undefined

  add(at: number, deliver: () => void): void {
    if (at <= performance.now() + SLACK_MS && this.#queue.length === 0) {
      deliver()
      return
    }
    let index = this.#queue.length
    while (index > 0 && this.#queue[index - 1]!.at > at) index--
    this.#queue.splice(index, 0, { at, deliver })
    this.#timer ??= setTimeout(this.#turn, BATCH_MS)
  }

  readonly #turn = (): void => {
    const until = performance.now() + SLACK_MS
    let count = 0
    while (count < this.#queue.length && this.#queue[count]!.at <= until) count++
    for (const due of this.#queue.splice(0, count)) due.deliver()
    this.#timer = this.#queue.length > 0 ? setTimeout(this.#turn, BATCH_MS) : undefined
  }
}

interface Direction {
  readonly impairer: Impairer
  readonly flight: Flight
  readonly counters: { received: number; delivered: number; dropped: number; bytes: number }
}

function openDirection(impairment: Partial<Impairment>, seed: number): Direction {
  return {
    impairer: new Impairer({ ...UNIMPAIRED, ...impairment }, seededRandom(seed)),
    flight: new Flight(),
    counters: { received: 0, delivered: 0, dropped: 0, bytes: 0 },
  }
}

function pass(direction: Direction, packet: Buffer, send: (packet: Buffer) => void): void {
  const times = direction.impairer.judge(packet.length, performance.now())
  direction.counters.received++
  direction.counters.bytes += packet.length
  if (times.length === 0) direction.counters.dropped++
  for (const at of times) {
    direction.flight.add(at, () => {
      direction.counters.delivered++
      send(packet)
    })
  }
}

function reply(message: LinkReply): void {
  if (process.connected) process.send?.(message)
}

async function bind(host: string): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
  socket.on('error', () => {
    // A missing target answers with ICMP. For a relay that is a lost packet.
  })
  socket.bind(0, host)
  await once(socket, 'listening')
  return socket
}

async function run(order: Extract<LinkOrder, { type: 'open' }>): Promise<void> {
  const forward = openDirection(order.forward, order.seed)
  const backward = openDirection(order.backward, order.seed + 1)
  const entrance = await bind('127.0.0.1')
  const clients = new Map<number, Promise<Socket>>()

  let lastClient: RemoteInfo | undefined
  const openClient = async (client: RemoteInfo): Promise<Socket> => {
    const socket = await bind('127.0.0.1')
    socket.on('message', (packet) => {
      const { port, address } = order.oneSource ? lastClient! : client
      pass(backward, packet, (data) => entrance.send(data, port, address))
    })
    return socket
  }
  entrance.on('message', async (packet, sender) => {
    lastClient = sender
    const client = order.oneSource ? ANY_CLIENT : sender.port
    const opening = clients.get(client) ?? openClient(sender)
    clients.set(client, opening)
    const socket = await opening
    pass(forward, packet, (data) => socket.send(data, order.targetPort, '127.0.0.1'))
  })

  process.on('message', (message: LinkOrder) => {
    if (message.type === 'set') {
      forward.impairer.set({ ...UNIMPAIRED, ...message.forward })
      backward.impairer.set({ ...UNIMPAIRED, ...message.backward })
    }
    const counters: LinkCounters = { forward: forward.counters, backward: backward.counters }
    reply({ type: 'done', counters })
  })
  reply({ type: 'opened', port: entrance.address().port })
}

process.once('message', (order: LinkOrder) => {
  if (order.type === 'open') void run(order)
})
process.on('disconnect', () => process.exit())
