/*
 * Messages of netlink(7): a header of 16 bytes, a fixed structure of the message's type, and attributes. All numbers are in
 * the machine's byte order, which is little-endian on every machine that the agent runs on.
 */

const HEADER_BYTES = 16
const NLM_F_REQUEST = 0x1
const NLM_F_DUMP_INTERRUPTED = 0x10
const NLM_F_DUMP = 0x300
/** The upper two bits of an attribute's type are flags. */
const ATTRIBUTE_TYPE = 0x3fff

export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3

export interface NetlinkMessage {
  readonly type: number
  /** What the message is about changed while it was told: ask again. */
  readonly interrupted: boolean
  /** What follows the header. */
  readonly body: Buffer
}

/** Attributes by type; of those that stand several times, the last. */
export type Attributes = ReadonlyMap<number, Buffer>

/** A request for everything of a kind. @param body structure that `type` wants */
export function dumpRequest(type: number, body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(HEADER_BYTES + body.length, 0)
  header.writeUInt16LE(type, 4)
  header.writeUInt16LE(NLM_F_REQUEST | NLM_F_DUMP, 6)
  return Buffer.concat([header, body])
}

/** The messages of a datagram. One that claims more bytes than there are ends the list. */
export function* messagesIn(datagram: Buffer): Generator<NetlinkMessage> {
  for (let at = 0; at + HEADER_BYTES <= datagram.length; ) {
    const length = datagram.readUInt32LE(at)
    if (length < HEADER_BYTES || at + length > datagram.length) return
    yield {
      type: datagram.readUInt16LE(at + 4),
      interrupted: (datagram.readUInt16LE(at + 6) & NLM_F_DUMP_INTERRUPTED) !== 0,
      body: datagram.subarray(at + HEADER_BYTES, at + length),
    }
    at += aligned(length)
  }
}

/** The attributes from an offset on. */
export function attributesOf(bytes: Buffer, from = 0): Attributes {
  const found = new Map<number, Buffer>()
  for (let at = from; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    if (length < 4 || at + length > bytes.length) break
    found.set(bytes.readUInt16LE(at + 2) & ATTRIBUTE_TYPE, bytes.subarray(at + 4, at + length))
    at += aligned(length)
  }
  return found
}

export function textOf(attribute: Buffer | undefined): string | null {
  if (!attribute) return null
  const end = attribute.indexOf(0)
  return attribute.toString('utf8', 0, end < 0 ? attribute.length : end)
}

export function numberOf(attribute: Buffer | undefined): number | null {
  if (attribute?.length === 1) return attribute.readUInt8(0)
  return attribute && attribute.length >= 4 ? attribute.readUInt32LE(0) : null
}

function aligned(length: number): number {
  return (length + 3) & ~3
}
