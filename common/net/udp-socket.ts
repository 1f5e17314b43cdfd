import { closeSync } from 'node:fs'
import { isIP, isIPv4, isIPv6 } from 'node:net'
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'
import { messageOf } from '../errors.ts'
import { UDP_SEGMENT } from './message-layout.ts'

const libc = koffi.load('libc.so.6')

/** Values of Linux, identical on x86-64 and arm64. */
const AF_UNSPEC = 0
const AF_INET = 2
const AF_INET6 = 10
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const MSG_DONTWAIT = 0x40
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26
/** `struct sockaddr_in`, ip(7): family in the machine's byte order, then port and address in the network's. */
const ADDRESS = { size: 16, family: 0, port: 2, ip: 4 } as const
/** `struct sockaddr_in6`, ipv6(7). */
const ADDRESS6 = { size: 28, ip: 8 } as const

const socket = libc.func('int socket(int domain, int type, int protocol)')
const setsockopt = libc.func(
  'int setsockopt(int fd, int level, int option, const void *value, uint32_t length)',
)
const getsockopt = libc.func(
  'int getsockopt(int fd, int level, int option, void *value, _Inout_ uint32_t *length)',
)
const inetPton = libc.func('int inet_pton(int family, const char *text, void *address)')
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const connect = libc.func('int connect(int fd, const void *address, uint32_t length)')
const send = libc.func('int64_t send(int fd, const void *bytes, size_t length, int flags)')
const sendmmsg = libc.func('int sendmmsg(int fd, uintptr_t messages, unsigned int count, int flags)')
const recvfrom = libc.func(
  'int64_t recvfrom(int fd, void *bytes, size_t length, int flags, void *address, _Inout_ uint32_t *addressLength)',
)
const recvmmsg = libc.func(
  'int recvmmsg(int fd, uintptr_t messages, unsigned int count, int flags, void *timeout)',
)
const getsockname = libc.func('int getsockname(int fd, void *address, _Inout_ uint32_t *length)')
const recv = libc.func('int64_t recv(int fd, void *bytes, size_t length, int flags)')

/** Whether nobody else has a UDP port. What else may be wrong with the address is told to whoever opens the port. */
export function isPortFree(ip: string, port: number): boolean {
  try {
    UdpSocket.open(ip, port, {})[Symbol.dispose]()
    return true
  } catch (error) {
    return !messageOf(error).includes('EADDRINUSE')
  }
}

/**
 * A UDP socket by plain system calls, which never block: node:dgram can't send more than one datagram in a call, and
 * makes several objects for each. The owner watches the descriptor for arriving datagrams.
 */
export class UdpSocket implements Disposable {
  #descriptor: number
  readonly #family: 4 | 6

  private constructor(descriptor: number, family: 4 | 6) {
    this.#descriptor = descriptor
    this.#family = family
  }

  /**
   * @param port 1 to 65535; 0 for any, which {@link disconnect} would lose
   * @param options buffers in bytes, capped by the kernel as socket(7) says; `onlyIpv6` leaves the port of the same number
   *   to a socket of IPv4, where `ip` is `::`
   * @throws Error that names call, reason and address, such as `bind EADDRINUSE 127.0.0.1:5004`
   */
  static open(
    ip: string,
    port: number,
    options: { readonly send?: number; readonly receive?: number; readonly onlyIpv6?: boolean },
  ): UdpSocket {
    const family = isIPv6(ip) ? 6 : 4
    const domain = family === 6 ? AF_INET6 : AF_INET
    const descriptor = Number(socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))
    if (descriptor < 0) throw systemError('socket')
    const opened = new UdpSocket(descriptor, family)
    try {
      for (const [option, size] of [
        [SO_SNDBUF, options.send],
        [SO_RCVBUF, options.receive],
      ] as const) {
        if (size === undefined) continue
        opened.set(SOL_SOCKET, option, size)
      }
      if (family === 6 && options.onlyIpv6) opened.set(IPPROTO_IPV6, IPV6_V6ONLY, 1)
      const address = addressOf(ip, port)
      if (bind(descriptor, address, address.length) !== 0) throw systemError('bind', ip, port)
      return opened
    } catch (error) {
      opened[Symbol.dispose]()
      throw error
    }
  }

  /** For watching only; -1 once the socket is closed. */
  get descriptor(): number {
    return this.#descriptor
  }

  /** The port that the socket is bound to, also where the kernel chose it. */
  get port(): number {
    const address = Buffer.alloc(ADDRESS6.size)
    if (getsockname(this.#descriptor, address, [address.length]) !== 0) throw systemError('getsockname')
    return address.readUInt16BE(ADDRESS.port)
  }

  /** Sets an option of whole numbers, setsockopt(2). @throws Error such as `setsockopt EINVAL` */
  set(level: number, option: number, value: number): void {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32LE(value)
    if (setsockopt(this.#descriptor, level, option, bytes, bytes.length) !== 0)
      throw systemError('setsockopt')
  }

  /**
   * From now on sends to, and receives from, this address alone. The local port stays.
   * @throws Error that names call, reason and address; TypeError for an address of the other family
   */
  connect(ip: string, port: number): void {
    if (isIP(ip) !== this.#family) throw new TypeError(`"${ip}" is not an IPv${this.#family} address`)
    const address = addressOf(ip, port)
    if (connect(this.#descriptor, address, address.length) !== 0) throw systemError('connect', ip, port)
  }

  /** Undoes {@link connect}, by an address of no family, connect(2). */
  disconnect(): void {
    const nobody = Buffer.alloc(ADDRESS.size)
    nobody.writeUInt16LE(AF_UNSPEC, ADDRESS.family)
    connect(this.#descriptor, nobody, nobody.length)
  }

  /** Sends one datagram. @returns its bytes, or the negated errno */
  send(packet: Uint8Array): number {
    return resultOf(send(this.#descriptor, packet, packet.length, 0))
  }

  /**
   * sendmmsg(2), in order.
   * @param messages address of the first of `count` `struct mmsghdr`, which must stay where they are
   * @returns the number sent, at least 1, or the negated errno when none was
   */
  sendMany(messages: number, count: number): number {
    return resultOf(sendmmsg(this.#descriptor, messages, count, 0))
  }

  /**
   * recvmmsg(2): reads what waits.
   * @param messages as for {@link sendMany}; the kernel fills them in
   * @returns the number read, or the negated errno (EAGAIN: none waits)
   */
  receiveMany(messages: number, count: number): number {
    return resultOf(recvmmsg(this.#descriptor, messages, count, MSG_DONTWAIT, null))
  }

  /** Whether the kernel cuts one message into datagrams (`UDP_SEGMENT`): Linux does from 4.18 on. */
  get cutsMessages(): boolean {
    const value = Buffer.alloc(4)
    return getsockopt(this.#descriptor, UDP_SEGMENT.level, UDP_SEGMENT.option, value, [value.length]) === 0
  }

  /** Reads one datagram into `buffer`, cut to its size. @returns bytes, or the negated errno (EAGAIN: none waits) */
  receive(buffer: Buffer): number {
    return resultOf(recv(this.#descriptor, buffer, buffer.length, 0))
  }

  /**
   * As `receive`, for datagrams from anybody.
   * @param source is filled with the sender's address in the kernel's form, 28 bytes at least
   */
  receiveFrom(buffer: Buffer, source: Buffer): number {
    return resultOf(recvfrom(this.#descriptor, buffer, buffer.length, 0, source, [source.length]))
  }

  [Symbol.dispose](): void {
    if (this.#descriptor < 0) return
    closeSync(this.#descriptor)
    this.#descriptor = -1
  }
}

function resultOf(result: number | bigint): number {
  return result < 0 ? -koffi.errno() : Number(result)
}

function addressOf(ip: string, port: number): Buffer {
  if (isIPv6(ip)) {
    const address = Buffer.alloc(ADDRESS6.size)
    address.writeUInt16LE(AF_INET6, ADDRESS.family)
    address.writeUInt16BE(port, ADDRESS.port)
    inetPton(AF_INET6, ip, address.subarray(ADDRESS6.ip))
    return address
  }
  if (!isIPv4(ip)) throw new TypeError(`"${ip}" is not an IP address`)
  const address = Buffer.alloc(ADDRESS.size)
  address.writeUInt16LE(AF_INET, ADDRESS.family)
  address.writeUInt16BE(port, ADDRESS.port)
  address.set(ip.split('.').map(Number), ADDRESS.ip)
  return address
}

/** Has the same form as errors of node:dgram. */
function systemError(call: string, ip?: string, port?: number): Error {
  const reason = getSystemErrorName(-koffi.errno())
  return new Error(`${call} ${reason}${ip === undefined ? '' : ` ${ip}:${port}`}`)
}
