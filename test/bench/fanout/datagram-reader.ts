import koffi from 'koffi'
import { IOVEC, MMSGHDR } from '../../../common/net/message-layout.ts'

const libc = koffi.load('libc.so.6')
const recvmmsg = libc.func(
  'int recvmmsg(int fd, uintptr_t messages, unsigned int count, int flags, void *timeout)',
)
const setsockopt = libc.func(
  'int setsockopt(int fd, int level, int option, const void *value, uint32_t length)',
)

/** Values of Linux, identical on x86-64 and arm64. */
const SOL_SOCKET = 1
const SO_TIMESTAMPNS = 35
const MSG_DONTWAIT = 0x40

/** A socket is read with one system call a picture: at 2.5 Mb/s a picture has 9 or 10 packets. */
const AT_ONCE = 32
const DATAGRAM_BYTES = 2048
/** A control message is a header of 16 bytes and a `struct timespec`, cmsg(3). */
const CONTROL = { size: 64, seconds: 16, nanoseconds: 24 } as const

/** Asks the kernel to note when each datagram of a socket arrives. */
export function noteArrivals(descriptor: number): void {
  const on = Buffer.alloc(4)
  on.writeInt32LE(1)
  if (setsockopt(descriptor, SOL_SOCKET, SO_TIMESTAMPNS, on, on.length) !== 0)
    throw new Error('the kernel does not note when datagrams arrive')
}

/**
 * Reads what waits on sockets, many datagrams by one system call: node:dgram wakes up and makes objects for each, and so
 * costs as much as what a server does for a packet. One reader serves all sockets of a process.
 */
export class DatagramReader {
  /** Larger than 64 bytes, up to which V8 moves a buffer's bytes; so are the other buffers. */
  readonly #memory = Buffer.alloc(AT_ONCE * DATAGRAM_BYTES)
  readonly #controls = Buffer.alloc(AT_ONCE * CONTROL.size)
  readonly #iovecs = Buffer.alloc(AT_ONCE * IOVEC.size)
  readonly #messages = Buffer.alloc(AT_ONCE * MMSGHDR.size)
  readonly #messagesAt = Number(koffi.address(this.#messages))
  readonly #datagrams = Array.from({ length: AT_ONCE }, (_, index) =>
    this.#memory.subarray(index * DATAGRAM_BYTES, (index + 1) * DATAGRAM_BYTES),
  )

  constructor() {
    const [memoryAt, iovecsAt] = [koffi.address(this.#memory), koffi.address(this.#iovecs)]
    const controlsAt = koffi.address(this.#controls)
    for (let index = 0; index < AT_ONCE; index += 1) {
      const [iovec, message] = [index * IOVEC.size, index * MMSGHDR.size]
      this.#iovecs.writeBigUInt64LE(memoryAt + BigInt(index * DATAGRAM_BYTES), iovec + IOVEC.base)
      this.#iovecs.writeBigUInt64LE(BigInt(DATAGRAM_BYTES), iovec + IOVEC.length)
      this.#messages.writeBigUInt64LE(iovecsAt + BigInt(iovec), message + MMSGHDR.iovecs)
      this.#messages.writeBigUInt64LE(1n, message + MMSGHDR.iovecCount)
      this.#messages.writeBigUInt64LE(controlsAt + BigInt(index * CONTROL.size), message + MMSGHDR.control)
      this.#messages.writeUInt32LE(CONTROL.size, message + MMSGHDR.controlBytes)
    }
  }

  /**
   * Gives all datagrams that wait on a socket.
   * @param take gets a datagram, valid only during the call, and when the kernel got it, ms of its clock; null where
   *   arrivals are not noted
   */
  read(descriptor: number, take: (datagram: Buffer, arrivedMs: number | null) => void): void {
    for (let got = AT_ONCE; got === AT_ONCE; ) {
      // Less than 0: none waits, or the answer to what was sent to a server that is gone.
      got = recvmmsg(descriptor, this.#messagesAt, AT_ONCE, MSG_DONTWAIT, null)
      for (let index = 0; index < got; index += 1) {
        const message = index * MMSGHDR.size
        const bytes = this.#messages.readUInt32LE(message + MMSGHDR.bytes)
        const noted = this.#messages.readUInt32LE(message + MMSGHDR.controlBytes) > 0
        // The kernel overwrote it with the bytes that it used.
        this.#messages.writeUInt32LE(CONTROL.size, message + MMSGHDR.controlBytes)
        take(this.#datagrams[index]!.subarray(0, bytes), noted ? this.#arrivedMs(index) : null)
      }
    }
  }

  #arrivedMs(index: number): number {
    const seconds = this.#controls.readBigInt64LE(index * CONTROL.size + CONTROL.seconds)
    const nanoseconds = this.#controls.readBigInt64LE(index * CONTROL.size + CONTROL.nanoseconds)
    return Number(seconds) * 1000 + Number(nanoseconds) / 1e6
  }
}
