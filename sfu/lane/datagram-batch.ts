import { constants } from 'node:os'
import koffi from 'koffi'

const { EAGAIN, EINTR } = constants.errno

/** Most datagrams of one batch. A picture of 6 Mb/s has about 25, a keyframe somewhat more. */
export const BATCH_DATAGRAMS = 64
/** Largest datagram of a batch. Ours have at most 1400 bytes (lane-outputs.ts). */
export const DATAGRAM_BYTES = 1500

/**
 * The structures of sendmmsg(2) as recv(2) and readv(2) declare them, laid out as on every 64-bit Linux (x86-64 and
 * arm64 are the same and little-endian): pointers and `size_t` have 8 bytes and start at a multiple of 8.
 *
 * - `struct iovec { void *iov_base; size_t iov_len; }`
 * - `struct msghdr { void *msg_name; socklen_t msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
 *   void *msg_control; size_t msg_controllen; int msg_flags; }`, 56 bytes
 * - `struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; }`
 */
const IOVEC = { size: 16, base: 0, length: 8 } as const
const MMSGHDR = { size: 64, iovecs: 16, iovecCount: 24 } as const

/** sendmmsg(2) on a connected socket: the number of messages sent from this address on, at most `count`, or -errno. */
export type SendMany = (messages: number, count: number) => number

/**
 * Datagrams that wait to be sent by one system call. All memory and all pointers are laid out once. A datagram costs a
 * copy and the number of its bytes.
 */
export class DatagramBatch {
  /** Larger than 64 bytes, up to which V8 keeps (and moves) a buffer's bytes in its heap; so are the other buffers. */
  readonly #memory = Buffer.alloc(BATCH_DATAGRAMS * DATAGRAM_BYTES)
  readonly #iovecs = Buffer.alloc(BATCH_DATAGRAMS * IOVEC.size)
  readonly #messages = Buffer.alloc(BATCH_DATAGRAMS * MMSGHDR.size)
  /** The iovecs as 32-bit words. The upper half of a length stays 0. */
  readonly #words = new Uint32Array(
    this.#iovecs.buffer,
    this.#iovecs.byteOffset,
    this.#iovecs.length / Uint32Array.BYTES_PER_ELEMENT,
  )
  /** User space ends below 2^48, so a number holds an address. */
  readonly #messagesAt = Number(koffi.address(this.#messages))
  #count = 0

  constructor() {
    const memoryAt = koffi.address(this.#memory)
    const iovecsAt = koffi.address(this.#iovecs)
    for (let index = 0; index < BATCH_DATAGRAMS; index++) {
      const datagramAt = memoryAt + BigInt(index * DATAGRAM_BYTES)
      this.#iovecs.writeBigUInt64LE(datagramAt, index * IOVEC.size + IOVEC.base)
      const iovecAt = iovecsAt + BigInt(index * IOVEC.size)
      this.#messages.writeBigUInt64LE(iovecAt, index * MMSGHDR.size + MMSGHDR.iovecs)
      this.#messages.writeBigUInt64LE(1n, index * MMSGHDR.size + MMSGHDR.iovecCount)
    }
  }

  get full(): boolean {
    return this.#count === BATCH_DATAGRAMS
  }

  /** Copies a datagram of at most {@link DATAGRAM_BYTES} behind the others. Not when {@link full}. */
  add(datagram: Uint8Array): void {
    const index = this.#count++
    this.#memory.set(datagram, index * DATAGRAM_BYTES)
    this.#words[(index * IOVEC.size + IOVEC.length) / Uint32Array.BYTES_PER_ELEMENT] = datagram.length
  }

  /**
   * Sends all in order and is empty then. What fails is tried once more: an ICMP answer to an earlier datagram shows as
   * the ECONNREFUSED of a later one, which was not sent then (udp(7)). A datagram that fails twice is left out, and all
   * that are behind it too when the kernel has no room (EAGAIN): they are lost as on a network.
   */
  flush(send: SendMany): void {
    const count = this.#count
    this.#count = 0
    let retrying = false
    for (let index = 0; index < count; ) {
      const sent = send(this.#messagesAt + index * MMSGHDR.size, count - index)
      if (sent > 0) {
        index += sent
        retrying = false
      } else if (!retrying) retrying = sent !== -EINTR
      else if (sent === -EAGAIN) return
      else if (sent !== -EINTR) {
        index += 1
        retrying = false
      }
    }
  }
}
