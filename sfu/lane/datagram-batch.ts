import koffi from 'koffi'
import { IOVEC, MMSGHDR, type SendMany, sendAll } from '../../common/net/message-layout.ts'

/** Most datagrams of one batch. A picture of 6 Mb/s has about 25, a keyframe somewhat more. */
export const BATCH_DATAGRAMS = 64
/** Largest datagram of a batch. Ours have at most 1400 bytes (lane-outputs.ts). */
export const DATAGRAM_BYTES = 1500

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

  /** Sends all in order, as {@link sendAll} says, and is empty then. */
  flush(send: SendMany): void {
    const count = this.#count
    this.#count = 0
    sendAll(this.#messagesAt, count, send)
  }
}
