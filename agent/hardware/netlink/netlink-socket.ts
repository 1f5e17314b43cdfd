import { closeSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')

/** Values of Linux, identical on x86-64 and arm64. */
const AF_NETLINK = 16
const SOCK_RAW = 3
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SO_RCVBUF = 8
const MSG_TRUNC = 0x20
const EAGAIN = 11
const ENOBUFS = 105
/** `struct sockaddr_nl`, netlink(7): family, padding, port id, groups. */
const ADDRESS_BYTES = 12
/** The kernel answers a dump in pieces of at most 32 KiB, to those who read that much. */
const PIECE_BYTES = 64 * 1024
/** Room for a burst of events while the process is busy. What does not fit is told as lost. */
const BUFFER_BYTES = 1024 * 1024

const socket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const send = libc.func('int64_t send(int fd, const void *bytes, size_t length, int flags)')
const recv = libc.func('int64_t recv(int fd, void *bytes, size_t length, int flags)')
const setsockopt = libc.func(
  'int setsockopt(int fd, int level, int option, const void *value, uint32_t length)',
)

/** Protocols of netlink(7). */
export const NETLINK_ROUTE = 0
export const NETLINK_KOBJECT_UEVENT = 15

/**
 * A netlink socket by plain system calls, which never block: Node has none of its own. The kernel answers a request
 * while it is sent or read, so that reading an answer never waits.
 */
export class NetlinkSocket implements Disposable {
  #descriptor: number
  #poll: ReturnType<typeof koffi.node.poll> | null = null
  readonly #buffer = Buffer.allocUnsafe(PIECE_BYTES)

  private constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  /**
   * @param groups mask of the multicast groups to hear; 0 for answers alone
   * @throws Error with the system's name, such as `bind: EPERM`
   */
  static open(protocol: number, groups: number): NetlinkSocket {
    const descriptor: number = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)
    if (descriptor < 0) throw failure('socket')
    const opened = new NetlinkSocket(descriptor)
    const size = Buffer.alloc(4)
    size.writeInt32LE(BUFFER_BYTES)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, size, size.length)
    const address = Buffer.alloc(ADDRESS_BYTES)
    address.writeUInt16LE(AF_NETLINK, 0)
    address.writeUInt32LE(groups, 8)
    if (bind(descriptor, address, address.length) === 0) return opened
    const error = failure('bind')
    opened[Symbol.dispose]()
    throw error
  }

  /** @throws Error with the system's name */
  send(message: Buffer): void {
    if (send(this.#descriptor, message, message.length, 0) < 0) throw failure('send')
  }

  /**
   * The next datagram, valid until the next call; null when none waits, `lost` where the kernel had to drop some.
   * @throws Error with the system's name
   */
  receive(): Buffer | 'lost' | null {
    if (this.#descriptor < 0) return null
    const length = Number(recv(this.#descriptor, this.#buffer, this.#buffer.length, MSG_TRUNC))
    if (length > this.#buffer.length) return 'lost'
    if (length >= 0) return this.#buffer.subarray(0, length)
    const errno = koffi.errno()
    if (errno === EAGAIN) return null
    if (errno === ENOBUFS) return 'lost'
    throw failure('recv', errno)
  }

  /** Calls `readable` whenever something waits here, until this is disposed of. Only once. */
  watch(readable: () => void): void {
    const onReadable = (status: unknown): void => {
      readable()
      // Lost datagrams wake us as an error, and libuv then stops watching. Reading has cleared the error.
      if (status !== 0 && this.#descriptor >= 0) this.#poll?.start({ readable: true }, onReadable)
    }
    this.#poll = koffi.node.poll(this.#descriptor, { readable: true }, onReadable)
  }

  [Symbol.dispose](): void {
    if (this.#descriptor < 0) return
    this.#poll?.close()
    closeSync(this.#descriptor)
    this.#descriptor = -1
  }
}

function failure(call: string, errno = koffi.errno()): Error {
  return new Error(`netlink ${call}: ${getSystemErrorName(-errno)}`)
}
