import { z } from 'zod'

/*
 * RIST over a WebSocket, for senders behind networks that let no UDP through. The sender opens a WebSocket at a detour's
 * path and shows the contract's ticket in its first message, a text. Both ends then exchange binary messages, each with
 * the datagrams that were ready at one moment:
 *
 *   u8 version | u32 clock | entries: u8 link, u16 length, that many bytes
 *
 * Numbers are big-endian. `link` is the index into the contract's `endpoints`. `clock` is the sender's own clock, ms
 * modulo 2^32: the sender writes the time, and the hub repeats the newest time that it has read. So the sender knows
 * how late its messages arrive, whatever is buffered on the way, and holds packets back instead of queueing them.
 */

const VERSION = 1
const HEADER_BYTES = 5
const ENTRY_HEADER_BYTES = 3

/** Most links of a contract. */
export const MAX_DETOUR_LINKS = 16
/** Largest datagram, bytes. RIST's own stay below an Ethernet frame (VSF TR-06-1 section 5.2). */
export const MAX_DATAGRAM_BYTES = 1500
/** Largest message, bytes: some 20 datagrams. A picture is spread over several messages. */
export const MAX_DETOUR_MESSAGE_BYTES = 32 * 1024

/** First message of the sender, a text. */
export const detourHelloSchema = z.strictObject({
  /** The ticket of the contract's `join`. */
  ticket: z.string().min(16).max(128),
})

/** The hub's answer, a text. After `refused` the hub closes the connection. */
export const detourAnswerSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('opened') }),
  z.object({ type: z.literal('refused'), code: z.string(), message: z.string() }),
])
export type DetourAnswer = z.infer<typeof detourAnswerSchema>

/** One RIST datagram of one link. */
export interface DetourEntry {
  readonly link: number
  readonly datagram: Uint8Array
}

export interface DetourMessage {
  readonly clock: number
  readonly entries: readonly DetourEntry[]
}

/** Collects the entries of one message. */
export class DetourMessageWriter {
  readonly #bytes = Buffer.alloc(MAX_DETOUR_MESSAGE_BYTES)
  #end = HEADER_BYTES

  get empty(): boolean {
    return this.#end === HEADER_BYTES
  }

  /** Adds an entry; false where the message has no room for it. A datagram that is empty or too long never fits. */
  add(link: number, datagram: Uint8Array): boolean {
    const { length } = datagram
    const end = this.#end + ENTRY_HEADER_BYTES + length
    if (length === 0 || length > MAX_DATAGRAM_BYTES || end > MAX_DETOUR_MESSAGE_BYTES) return false
    this.#bytes.writeUInt8(link, this.#end)
    this.#bytes.writeUInt16BE(length, this.#end + 1)
    this.#bytes.set(datagram, this.#end + ENTRY_HEADER_BYTES)
    this.#end = end
    return true
  }

  /** The message, which is the caller's. The next one begins empty. @param clock ms */
  take(clock: number): Buffer<ArrayBuffer> {
    const bytes = Buffer.from(this.#bytes.subarray(0, this.#end))
    bytes.writeUInt8(VERSION, 0)
    bytes.writeUInt32BE(clock >>> 0, 1)
    this.#end = HEADER_BYTES
    return bytes
  }
}

/**
 * Reads a binary message. The datagrams are parts of `bytes`.
 * @param links number of links of the contract
 * @returns null for what is no such message: cut short, with a link that the contract does not have, or of another
 * version
 */
export function readDetourMessage(bytes: Buffer, links: number): DetourMessage | null {
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_DETOUR_MESSAGE_BYTES) return null
  if (bytes.readUInt8(0) !== VERSION) return null
  const entries: DetourEntry[] = []
  for (let at = HEADER_BYTES; at < bytes.length; ) {
    if (bytes.length - at < ENTRY_HEADER_BYTES) return null
    const link = bytes.readUInt8(at)
    const length = bytes.readUInt16BE(at + 1)
    const from = at + ENTRY_HEADER_BYTES
    if (link >= links || length === 0 || length > MAX_DATAGRAM_BYTES || from + length > bytes.length)
      return null
    entries.push({ link, datagram: bytes.subarray(from, from + length) })
    at = from + length
  }
  return { clock: bytes.readUInt32BE(1), entries }
}
