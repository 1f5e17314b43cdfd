/*
 * Management messages of IEEE 1588-2008 (clause 15), as linuxptp's ptp4l takes and gives them at its Unix socket. All numbers
 * are in network byte order.
 */

/** Ids of what is asked for: a part of the standard's, and two of linuxptp's own. */
export const TIME_STATUS = 0xc000
export const PORT_PROPERTIES = 0xc004

const MANAGEMENT = 0x0d
const PTP_VERSION = 2
const CONTROL_MANAGEMENT = 4
/** "No interval" of messages that nobody sends at regular times. */
const NO_INTERVAL = 0x7f
const ACTION_GET = 0
const ACTION_ANSWER = 2
const TLV_MANAGEMENT = 1
/** Header of 34 bytes, target port of 10, hops, action; then type, length and id of a TLV, and its data. */
const AT = {
  length: 2,
  sequence: 30,
  control: 32,
  interval: 33,
  target: 34,
  action: 46,
  tlv: 48,
  id: 52,
  data: 54,
} as const

/** States of a port (8.2.5.3.1). */
const STATES = [
  'none',
  'initializing',
  'faulty',
  'disabled',
  'listening',
  'pre-master',
  'master',
  'passive',
  'uncalibrated',
  'slave',
  'grand-master',
] as const
export type PortState = (typeof STATES)[number]

export type PtpAnswer =
  /** Of the clock: nanoseconds that it is ahead of its master, and whether there is another one that it follows. */
  | { readonly about: 'clock'; readonly offsetNs: number; readonly follows: boolean }
  /** Of each port. */
  | { readonly about: 'port'; readonly interface: string; readonly state: PortState }

/**
 * A question to all ports.
 * @param transport upper half of the first byte: 1 for gPTP (IEEE 802.1AS), else 0. ptp4l hears only its own.
 */
export function askPtp(id: number, sequence: number, transport: 0 | 1): Buffer {
  const message = Buffer.alloc(AT.data)
  message.writeUInt8((transport << 4) | MANAGEMENT, 0)
  message.writeUInt8(PTP_VERSION, 1)
  message.writeUInt16BE(message.length, AT.length)
  message.writeUInt16BE(sequence & 0xffff, AT.sequence)
  message.writeUInt8(CONTROL_MANAGEMENT, AT.control)
  message.writeUInt8(NO_INTERVAL, AT.interval)
  message.fill(0xff, AT.target, AT.target + 10)
  message.writeUInt8(ACTION_GET, AT.action)
  message.writeUInt16BE(TLV_MANAGEMENT, AT.tlv)
  message.writeUInt16BE(2, AT.tlv + 2)
  message.writeUInt16BE(id, AT.id)
  return message
}

/** null for what answers none of our questions. */
export function ptpAnswerIn(message: Buffer): PtpAnswer | null {
  if (message.length < AT.data || (message.readUInt8(0) & 0x0f) !== MANAGEMENT) return null
  if ((message.readUInt8(AT.action) & 0x0f) !== ACTION_ANSWER) return null
  if (message.readUInt16BE(AT.tlv) !== TLV_MANAGEMENT) return null
  const id = message.readUInt16BE(AT.id)
  const data = message.subarray(AT.data)
  if (id === TIME_STATUS) return clockIn(data)
  return id === PORT_PROPERTIES ? portIn(data) : null
}

/** offset (8), ingress (8), rates (4, 4), base (2), phase (12), `gmPresent` (4), grandmaster (8). */
function clockIn(data: Buffer): PtpAnswer | null {
  if (data.length < 50) return null
  return {
    about: 'clock',
    offsetNs: Number(data.readBigInt64BE(0)),
    follows: data.readInt32BE(38) !== 0,
  }
}

/** Identity of the port (10), state, kind of time stamps, length and text of the interface's name. */
function portIn(data: Buffer): PtpAnswer | null {
  const length = data.length > 12 ? data.readUInt8(12) : 0
  if (length === 0 || data.length < 13 + length) return null
  const state = STATES[data.readUInt8(10)] ?? 'none'
  return { about: 'port', interface: data.toString('utf8', 13, 13 + length), state }
}
