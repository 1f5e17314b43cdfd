import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { portSlice } from './port-slice.ts'

/** A slice is tried so often before all ports are. */
const TRIES = 20

/** No port is given to two callers of this process. */
const given = new Set<number>()

/** UDP ports of 127.0.0.1 that were free a moment ago, all different and even, each with the next one free too. */
export async function freeUdpPorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) ports.push(await freeUdpRange(2))
  return ports
}

/** The first, an even one, of so many UDP ports of 127.0.0.1 in a row that were free a moment ago. */
export async function freeUdpRange(count: number): Promise<number> {
  for (let tries = 0; ; tries++) {
    // So many in a row may be in no gap of this process's own slice.
    const slice = portSlice(tries < TRIES ? given.size : Number.POSITIVE_INFINITY, count)
    const from = slice.first + (slice.first % 2)
    const first = from + 2 * Math.floor((Math.random() * (slice.last + 1 - from - count)) / 2)
    const ports = Array.from({ length: count }, (_, index) => first + index)
    if (ports.some((port) => given.has(port))) continue
    // Before the look, which takes a moment: another caller could look at the same ports.
    for (const port of ports) given.add(port)
    if (await areFree(ports)) return first
  }
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  const sockets = ports.map(() => createSocket('udp4'))
  const bound = await Promise.allSettled(
    sockets.map((socket, index) => once(socket.bind(ports[index], '127.0.0.1'), 'listening')),
  )
  for (const socket of sockets) socket.close()
  return bound.every(({ status }) => status === 'fulfilled')
}
