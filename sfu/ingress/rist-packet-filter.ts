import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { CodedError, messageOf } from '../../common/errors.ts'
import { attachSocketFilter, udpPortOf } from '../../common/rist/libc.ts'

/**
 * A kernel filter in front of librist's sockets. It lets through only what an encrypting RIST main-profile sender can
 * send (VSF TR-06-2 section 5: GRE over UDP, RFC 8086). librist 0.2.7 takes cleartext media from an authenticated
 * sender, and refusing garbage in the kernel costs a fraction of refusing it in librist.
 *
 * A refused packet leaves a trace: it is cut to a length that says why, and librist logs it as too small, with that
 * length.
 */

/** Length to which a cleartext packet is cut, bytes. */
export const PLAINTEXT_BYTES = 3
/** Length to which a packet with AES-128 is cut where AES-256 is demanded, bytes. */
export const WEAK_KEY_BYTES = 1
/** Length to which a packet that is not RIST is cut, bytes. One of GARBAGE_SAMPLE is; the others are dropped. */
export const GARBAGE_BYTES = 2
export const GARBAGE_SAMPLE = 8

const PROTOCOL_EAPOL = 0x888e
const PROTOCOL_KEEPALIVE = 0x88b5
const PROTOCOL_REDUCED = 0x88b6
const PROTOCOL_FULL = 0x0800
/** librist 0.2.8 and later wrap packets in a header of their own. */
const PROTOCOL_VSF = 0xcce0
/** GRE flag bits "key present" and "sequence number present": librist decrypts only packets with both. */
const ENCRYPTED_FLAGS = 0x30
/** The H bit of the second flags byte: the key has 256 bits (VSF TR-06-2 section 7.1). */
const LONG_KEY_FLAG = 0x40

/** The filter sees the UDP header first. */
const UDP_HEADER = 8
const GRE_FLAGS = UDP_HEADER
const GRE_SECOND_FLAGS = UDP_HEADER + 1
const GRE_PROTOCOL = UDP_HEADER + 2

const LOAD_BYTE = 0x30
const LOAD_HALF = 0x28
const LOAD_WORD = 0x20
const AND = 0x54
const JUMP_EQUAL = 0x15
const RETURN = 0x06
const RANDOM_WORD = 0xfffff000 + 56
const WHOLE = 0xffffffff

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number]

/** Jumps count instructions from the next one. */
function programFor(aesBits: 128 | 256): readonly Instruction[] {
  return [
    [LOAD_HALF, 0, 0, GRE_PROTOCOL],
    [JUMP_EQUAL, 10, 0, PROTOCOL_EAPOL],
    [JUMP_EQUAL, 9, 0, PROTOCOL_KEEPALIVE],
    [JUMP_EQUAL, 2, 0, PROTOCOL_REDUCED],
    [JUMP_EQUAL, 1, 0, PROTOCOL_FULL],
    [JUMP_EQUAL, 0, 9, PROTOCOL_VSF],
    [LOAD_BYTE, 0, 0, GRE_FLAGS],
    [AND, 0, 0, ENCRYPTED_FLAGS],
    [JUMP_EQUAL, 0, 4, ENCRYPTED_FLAGS],
    [LOAD_BYTE, 0, 0, GRE_SECOND_FLAGS],
    [AND, 0, 0, aesBits === 256 ? LONG_KEY_FLAG : 0],
    [JUMP_EQUAL, 0, 2, aesBits === 256 ? LONG_KEY_FLAG : 0],
    [RETURN, 0, 0, WHOLE],
    [RETURN, 0, 0, UDP_HEADER + PLAINTEXT_BYTES],
    [RETURN, 0, 0, UDP_HEADER + WEAK_KEY_BYTES],
    [LOAD_WORD, 0, 0, RANDOM_WORD],
    [AND, 0, 0, GARBAGE_SAMPLE - 1],
    [JUMP_EQUAL, 0, 1, 0],
    [RETURN, 0, 0, UDP_HEADER + GARBAGE_BYTES],
    [RETURN, 0, 0, 0],
  ]
}

/** The filter, in the kernel's form, for sockets that accept keys of this length and longer. */
export function ristFilter(aesBits: 128 | 256): Buffer {
  return encodeProgram(programFor(aesBits))
}

/** `struct sock_filter` entries in memory order of the little-endian machines that Node runs on. */
function encodeProgram(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8)
  program.forEach(([code, ifTrue, ifFalse, operand], index) => {
    bytes.writeUInt16LE(code, index * 8)
    bytes.writeUInt8(ifTrue, index * 8 + 2)
    bytes.writeUInt8(ifFalse, index * 8 + 3)
    bytes.writeUInt32LE(operand, index * 8 + 4)
  })
  return bytes
}

/** What is told of a link's port that can't be opened. */
export function portUnavailable(address: string, port: number, cause: unknown): CodedError {
  const why = messageOf(cause)
  const advice = why.includes('EADDRINUSE')
    ? ': another program has it (ss -lunp shows which); stop that program, or give one of the two other ports'
    : ''
  const what = `UDP port ${port} on ${address} can't be opened: ${why}${advice}`
  return new CodedError('rist_port_unavailable', what, { cause })
}

/**
 * Refuses a used port: librist binds with SO_REUSEADDR, with which a second process can take over a UDP port.
 *
 * @throws CodedError `rist_port_unavailable`
 */
export async function assertPortFree(address: string, port: number): Promise<void> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  try {
    socket.bind({ address, port, exclusive: true })
    await once(socket, 'listening')
  } catch (thrown) {
    throw portUnavailable(address, port, thrown)
  } finally {
    socket.close()
  }
}

/**
 * Puts the filter on this process's UDP socket at `port`; `aesBits` is the shortest accepted key.
 *
 * @throws CodedError `rist_filter_failed`: without the filter a stream could arrive unencrypted, so nothing listens
 */
export function guardPort(port: number, aesBits: 128 | 256): void {
  const fd = readdirSync('/proc/self/fd')
    .map(Number)
    .find((candidate) => udpPortOf(candidate) === port)
  if (fd === undefined) {
    throw new CodedError('rist_port_unavailable', `UDP port ${port} could not be opened`)
  }
  try {
    attachSocketFilter(fd, ristFilter(aesBits))
  } catch (thrown) {
    throw new CodedError('rist_filter_failed', `no packet filter on UDP port ${port}`, {
      details: [messageOf(thrown)],
      cause: thrown,
    })
  }
}
