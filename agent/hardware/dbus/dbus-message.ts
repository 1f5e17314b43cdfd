import { DbusReader, type DbusValue, DbusWriter } from './dbus-values.ts'

/** Messages of D-Bus (D-Bus specification, "Message Format"). */

export const CALL = 1
export const ANSWER = 2
export const FAILURE = 3
export const SIGNAL = 4
/** Who is not running is not started for this call. */
const NO_AUTO_START = 0x2
const LITTLE_ENDIAN = 'l'.charCodeAt(0)
const VERSION = 1
/** Codes of header fields. */
const FIELD = {
  path: 1,
  interface: 2,
  member: 3,
  error: 4,
  answers: 5,
  destination: 6,
  sender: 7,
  signature: 8,
} as const
const FIXED_BYTES = 16
/** Longest message that is read, bytes: the facts about a dozen modems have a tenth of that. */
const MOST_BYTES = 4 * 1024 * 1024

export interface DbusCall {
  readonly destination: string
  readonly path: string
  readonly interface: string
  readonly member: string
  /** Arguments, which are all texts. */
  readonly texts?: readonly string[]
}

export interface DbusMessage {
  readonly type: number
  readonly path: string | null
  readonly interface: string | null
  readonly member: string | null
  /** Of a failure: `org.freedesktop.DBus.Error.ServiceUnknown`. */
  readonly error: string | null
  /** Serial of the call that this answers. */
  readonly answers: number | null
  readonly sender: string | null
  readonly body: readonly DbusValue[]
}

/** @param serial 1 to 2^32-1, unique on the connection */
export function encodeCall(call: DbusCall, serial: number): Buffer {
  const { texts = [] } = call
  const body = new DbusWriter()
  for (const text of texts) body.text(text)
  const message = new DbusWriter()
  for (const byte of [LITTLE_ENDIAN, CALL, NO_AUTO_START, VERSION]) message.byte(byte)
  message.uint32(body.length)
  message.uint32(serial)
  const fields = new DbusWriter()
  const field = (code: number, type: string, text: string): void => {
    fields.align(8)
    fields.byte(code)
    fields.signature(type)
    if (type === 'g') fields.signature(text)
    else fields.text(text)
  }
  field(FIELD.path, 'o', call.path)
  field(FIELD.interface, 's', call.interface)
  field(FIELD.member, 's', call.member)
  field(FIELD.destination, 's', call.destination)
  if (texts.length > 0) field(FIELD.signature, 'g', 's'.repeat(texts.length))
  message.uint32(fields.length)
  // The fields begin at a multiple of 8 in the message, as they do in their own writer.
  message.raw(fields.bytes())
  message.align(8)
  message.raw(body.bytes())
  return message.bytes()
}

/** Length of the message that begins here; null while too little of it has come. @throws Error for what is none */
export function messageLength(bytes: Buffer): number | null {
  if (bytes.length < FIXED_BYTES) return null
  if (bytes[0] !== LITTLE_ENDIAN) throw new Error('a D-Bus message of another byte order')
  const length = Math.ceil((FIXED_BYTES + bytes.readUInt32LE(12)) / 8) * 8 + bytes.readUInt32LE(4)
  if (length > MOST_BYTES) throw new Error(`a D-Bus message of ${length} bytes`)
  return length
}

/** @param bytes exactly one message @throws Error for what is none */
export function decodeMessage(bytes: Buffer): DbusMessage {
  const reader = new DbusReader(bytes, 12)
  const [all] = reader.read('a(yv)') as [readonly (readonly [number, DbusValue])[]]
  const fields = new Map(all)
  const text = (code: number): string | null => {
    const value = fields.get(code)
    return typeof value === 'string' ? value : null
  }
  const answers = fields.get(FIELD.answers)
  reader.align(8)
  return {
    type: bytes.readUInt8(1),
    path: text(FIELD.path),
    interface: text(FIELD.interface),
    member: text(FIELD.member),
    error: text(FIELD.error),
    answers: typeof answers === 'number' ? answers : null,
    sender: text(FIELD.sender),
    body: reader.read(text(FIELD.signature) ?? ''),
  }
}
