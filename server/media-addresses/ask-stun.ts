import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { BlockList, isIP } from 'node:net'
import { CodedError, messageOf } from '../../common/errors.ts'
import { bindingRequest } from '../../common/stun/binding.ts'
import type { SocketAddress } from '../config/setting.ts'
import { type MappedAddress, stunAnswer } from './stun-answer.ts'

/** RFC 8489 section 6.2.1: the first wait, which doubles with each retransmission, ms. */
const FIRST_WAIT_MS = 500

/** Addresses that no machine has: unspecified, multicast, broadcast (RFC 6890). Announced, they would lead nobody here. */
const NOBODYS = new BlockList()
NOBODYS.addSubnet('0.0.0.0', 8, 'ipv4')
NOBODYS.addSubnet('224.0.0.0', 3, 'ipv4')
NOBODYS.addAddress('::', 'ipv6')
NOBODYS.addSubnet('ff00::', 8, 'ipv6')

/**
 * Asks a STUN server how this machine is seen from outside (RFC 8489 section 6.2.1).
 * @param from address of the interface to ask from, or the address that means all of them
 * @param withinMs how long to wait in all
 * @throws CodedError `stun_unanswered` saying why, or the signal's reason
 */
export async function askStun(
  server: SocketAddress,
  from: string,
  withinMs: number,
  signal: AbortSignal,
): Promise<MappedAddress> {
  signal.throwIfAborted()
  const where = `the STUN server ${server.host}:${server.port}`
  const within = AbortSignal.any([signal, AbortSignal.timeout(withinMs)])
  const family = isIP(from) === 6 ? 6 : 4
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
  try {
    const { address } = await lookup(server.host, { family })
    within.throwIfAborted()
    socket.bind(0, from)
    await once(socket, 'listening', { signal: within })
    socket.connect(server.port, address)
    await once(socket, 'connect', { signal: within })
    const said = await answer(socket, within)
    if (typeof said === 'string') throw new Error(said)
    if (isIP(said.address) !== family || NOBODYS.check(said.address, `ipv${family}`))
      throw new Error(`it says ${said.address}, which is no IPv${family} address of a machine`)
    return said
  } catch (error) {
    signal.throwIfAborted()
    const why = within.aborted ? `no answer in ${withinMs / 1000} s` : messageOf(error)
    throw new CodedError('stun_unanswered', `${where}, asked from ${from}: ${why}`)
  } finally {
    socket.close()
  }
}

/** Sends the request again until somebody answers it. The socket takes datagrams of the server alone. */
function answer(socket: Socket, signal: AbortSignal): Promise<MappedAddress | string> {
  const request = bindingRequest()
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const send = (waitMs: number) => {
      // That a datagram can't be sent, or nobody listens, may be over at the next try.
      socket.send(request, () => {})
      timer = setTimeout(send, waitMs, waitMs * 2)
    }
    const settle = (act: () => void) => {
      clearTimeout(timer)
      act()
    }
    signal.addEventListener('abort', () => settle(() => reject(signal.reason)), { once: true })
    socket.on('error', () => {})
    socket.on('message', (datagram) => {
      const said = stunAnswer(datagram, request)
      if (said !== null) settle(() => resolve(said))
    })
    send(FIRST_WAIT_MS)
  })
}
