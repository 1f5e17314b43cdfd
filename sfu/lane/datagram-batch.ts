import koffi from 'koffi'
import {
  CONTROL,
  IOVEC,
  MMSGHDR,
  type SendMany,
  sendAll,
  UDP_SEGMENT,
} from '../../common/net/message-layout.ts'

/** Most datagrams of one batch. A picture of 6 Mb/s has about 25, a keyframe somewhat more. */
export const BATCH_DATAGRAMS = 64
/** Largest datagram of a batch. Ours have at most 1400 bytes (lane-outputs.ts). */
export const DATAGRAM_BYTES = 1500

/** Most bytes of datagrams that share one message: they pass through the kernel as one IPv4 datagram does. */
const RUN_BYTES = 65_000

/**
 * Datagrams that wait to be sent by one system call. All memory and all pointers are laid out once. A datagram costs a
 * copy and the number of its bytes.
 *
 * Where the kernel cuts messages, datagrams of one size in a row share a message, with a smaller one at the end: so are
 * the packets of a picture. They then pass through the kernel once, which takes a third of the time.
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
  /** The messages in the same way, the upper halves of counts and lengths included; addresses as doubles can't be. */
  readonly #headers = new Uint32Array(
    this.#messages.buffer,
    this.#messages.byteOffset,
    this.#messages.length / Uint32Array.BYTES_PER_ELEMENT,
  )
  readonly #controls = Buffer.alloc(BATCH_DATAGRAMS * CONTROL.size)
  /** User space ends below 2^48, so a number holds an address. */
  readonly #messagesAt = Number(koffi.address(this.#messages))
  readonly #iovecsAt = Number(koffi.address(this.#iovecs))
  readonly #cuts: boolean
  #count = 0

  /** @param cuts whether the kernel cuts messages ({@link UDP_SEGMENT}): without that each datagram is a message */
  constructor(cuts: boolean) {
    this.#cuts = cuts
    const memoryAt = koffi.address(this.#memory)
    const controlsAt = koffi.address(this.#controls)
    for (let index = 0; index < BATCH_DATAGRAMS; index++) {
      const datagramAt = memoryAt + BigInt(index * DATAGRAM_BYTES)
      this.#iovecs.writeBigUInt64LE(datagramAt, index * IOVEC.size + IOVEC.base)
      const control = index * CONTROL.size
      this.#messages.writeBigUInt64LE(controlsAt + BigInt(control), index * MMSGHDR.size + MMSGHDR.control)
      this.#controls.writeUInt32LE(CONTROL.length, control)
      this.#controls.writeUInt32LE(UDP_SEGMENT.level, control + CONTROL.level)
      this.#controls.writeUInt32LE(UDP_SEGMENT.option, control + CONTROL.type)
    }
  }

  get full(): boolean {
    return this.#count === BATCH_DATAGRAMS
  }

  /** Copies a datagram of at most {@link DATAGRAM_BYTES} behind the others. Not when {@link full}. */
  add(datagram: Uint8Array): void {
    const index = this.#count++
    this.#memory.set(datagram, index * DATAGRAM_BYTES)
    this.#words[word(index * IOVEC.size + IOVEC.length)] = datagram.length
  }

  /** Sends all in order, as {@link sendAll} says, and is empty then. */
  flush(send: SendMany): void {
    const count = this.#describe()
    this.#count = 0
    sendAll(this.#messagesAt, count, send)
  }

  /** Puts the datagrams into messages. @returns the number of messages */
  #describe(): number {
    let messages = 0
    for (let first = 0; first < this.#count; messages++) {
      const size = this.#sizeOf(first)
      const end = this.#cuts ? this.#runEnd(first, size) : first + 1
      const message = messages * MMSGHDR.size
      const iovecs = this.#iovecsAt + first * IOVEC.size
      this.#headers[word(message + MMSGHDR.iovecs)] = iovecs % WORD
      this.#headers[word(message + MMSGHDR.iovecs) + 1] = Math.floor(iovecs / WORD)
      this.#headers[word(message + MMSGHDR.iovecCount)] = end - first
      this.#headers[word(message + MMSGHDR.controlBytes)] = end - first > 1 ? CONTROL.size : 0
      this.#controls.writeUInt16LE(size, messages * CONTROL.size + CONTROL.value)
      first = end
    }
    return messages
  }

  /** The end of the datagrams that can share a message: all have the first one's size, the last may have less. */
  #runEnd(first: number, size: number): number {
    let [end, bytes] = [first + 1, size]
    while (end < this.#count) {
      const next = this.#sizeOf(end)
      bytes += next
      if (next > size || next === 0 || bytes > RUN_BYTES) return end
      end += 1
      if (next < size) return end
    }
    return end
  }

  #sizeOf(index: number): number {
    return this.#words[word(index * IOVEC.size + IOVEC.length)]!
  }
}

const WORD = 2 ** 32

/** @param byte an offset, a multiple of 4 */
function word(byte: number): number {
  return byte / Uint32Array.BYTES_PER_ELEMENT
}
