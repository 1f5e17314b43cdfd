import { readdirSync } from 'node:fs'
import koffi from 'koffi'

/*
 * Pacing by the kernel: where an interface has the queueing discipline fq, it spreads the packets of a socket by the
 * socket's rate (tc-fq(8)). Elsewhere the rate is ignored, and the sender's own pacer is all there is.
 */

/** asm-generic/socket.h */
const SOL_SOCKET = 1
const SO_TYPE = 3
const SO_DOMAIN = 39
const SO_MAX_PACING_RATE = 47
const SOCK_DGRAM = 2
const AF_INET = 2
const AF_INET6 = 10
/** No limit. */
const UNLIMITED = 0xffff_ffff
/** kb/s to bytes a second. */
const BYTES_PER_KBIT = 125

const libc = koffi.load('libc.so.6')
const setsockopt = libc.func(
  'int setsockopt(int fd, int level, int option, const void *value, uint32_t length)',
)
const getsockopt = libc.func(
  'int getsockopt(int fd, int level, int option, _Out_ uint8_t *value, _Inout_ uint32_t *length)',
)

/**
 * Gives each UDP socket of this process a rate. librist keeps its sockets to itself and opens new ones for links that do
 * not answer, so all that are open are looked through.
 * @param kbps of each socket, on the wire; null for no limit
 * @returns how many sockets have it
 */
export function paceSockets(kbps: number | null): number {
  const rate = Buffer.alloc(4)
  rate.writeUInt32LE(kbps === null ? UNLIMITED : Math.min(UNLIMITED, Math.ceil(kbps * BYTES_PER_KBIT)))
  let paced = 0
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name)
    if (!isUdp(fd)) continue
    if (setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, rate, rate.length) === 0) paced += 1
  }
  return paced
}

/** The rate of a socket, bytes a second; null where `fd` is none. */
export function pacingRateOf(fd: number): number | null {
  return option(fd, SO_MAX_PACING_RATE)
}

function isUdp(fd: number): boolean {
  const domain = option(fd, SO_DOMAIN)
  return (domain === AF_INET || domain === AF_INET6) && option(fd, SO_TYPE) === SOCK_DGRAM
}

function option(fd: number, name: number): number | null {
  const value = Buffer.alloc(4)
  return getsockopt(fd, SOL_SOCKET, name, value, [value.length]) === 0 ? value.readUInt32LE() : null
}
