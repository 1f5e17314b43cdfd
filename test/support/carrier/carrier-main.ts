import { closeSync, read, writeSync } from 'node:fs'
import { type Direction, openDirection, pass } from '../impaired-direction.ts'
import { UNIMPAIRED } from '../impairment.ts'
import type { CarrierAnswer, CarrierOrder } from './carrier-protocol.ts'
import { inNamespaceOf, openTun } from './tun.ts'

/**
 * The process of a carrier: IP packets between the two TUN devices of each link, impaired on their way. It needs two
 * threads of libuv's pool for each link (UV_THREADPOOL_SIZE).
 */

const MAX_PACKET = 65_536

interface Link {
  readonly forward: Direction
  readonly backward: Direction
}

const links = new Map<number, Link>()

function plug({ link, near, far, senderPid, hubPid, seed }: Extract<CarrierOrder, { type: 'plug' }>): void {
  const before = links.get(link)
  const forward = before?.forward ?? openDirection({}, seed)
  const backward = before?.backward ?? openDirection({}, seed + 1)
  const nearFd = inNamespaceOf(senderPid, () => openTun(near))
  const farFd = inNamespaceOf(hubPid, () => openTun(far))
  carry(nearFd, farFd, forward)
  carry(farFd, nearFd, backward)
  links.set(link, { forward, backward })
}

/** Carries until the device that is read from is deleted. */
function carry(from: number, to: number, direction: Direction): void {
  const buffer = Buffer.alloc(MAX_PACKET)
  const next = (): void =>
    read(from, buffer, 0, buffer.length, null, (error, length) => {
      if (error) return closeSync(from)
      const packet = Buffer.from(buffer.subarray(0, length))
      pass(direction, packet, (data) => deliver(to, data))
      next()
    })
  next()
}

function deliver(to: number, packet: Buffer): void {
  try {
    writeSync(to, packet)
  } catch {
    // The device is down or gone: the packet is lost, as on any unplugged modem.
  }
}

function obey(order: CarrierOrder): CarrierAnswer {
  if (order.type === 'plug') {
    plug(order)
    return { type: 'done' }
  }
  const link = links.get(order.link)
  if (!link) throw new Error(`there is no link ${order.link}`)
  if (order.type === 'set') {
    link.forward.impairer.set({ ...UNIMPAIRED, ...order.forward })
    link.backward.impairer.set({ ...UNIMPAIRED, ...order.backward })
    return { type: 'done' }
  }
  return {
    type: 'counters',
    counters: { forward: link.forward.counters, backward: link.backward.counters },
  }
}

process.on('message', (order: CarrierOrder) => {
  let answer: CarrierAnswer
  try {
    answer = obey(order)
  } catch (error) {
    answer = { type: 'failed', reason: error instanceof Error ? error.message : String(error) }
  }
  if (process.connected) process.send?.(answer)
})
process.on('disconnect', () => process.exit())
