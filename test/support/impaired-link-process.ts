import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { openDirection, pass } from './impaired-direction.ts'
import type { LinkCounters, LinkOrder, LinkReply } from './impaired-link.ts'
import { UNIMPAIRED } from './impairment.ts'

/**
 * The process of one impaired link: a UDP relay that gives every client a socket of its own towards the target, so that
 * the target tells clients apart as without the relay (or, on request, one socket for all).
 */

/** Stands for every client where they share one source port. */
const ANY_CLIENT = 0

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
