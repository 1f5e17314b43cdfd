import koffi from 'koffi'

/**
 * The few libc calls that a binding of librist needs around it: descriptors that node:fs cannot create
 * (a non-blocking pipe, a message socket pair) and a copy out of memory that C owns.
 */

const libc = koffi.load('libc.so.6')

const AF_UNIX = 1
const SOCK_SEQPACKET = 5
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const O_NONBLOCK = 0o4000
const O_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
const SOL_SOCKET = 1
const SO_TYPE = 3
const SO_ATTACH_FILTER = 26
const SOCK_DGRAM = 2
const AF_INET = 2
const AF_INET6 = 10

const pipe2 = libc.func('int pipe2(_Out_ int *fds, int flags)')
const socketpair = libc.func('int socketpair(int domain, int type, int protocol, _Out_ int *fds)')
const read = libc.func('int64_t read(int fd, void *buffer, size_t length)')
const recv = libc.func('int64_t recv(int fd, void *buffer, size_t length, int flags)')
const getsockname = libc.func('int getsockname(int fd, void *address, _Inout_ uint32_t *length)')
const getsockopt = libc.func(
  'int getsockopt(int fd, int level, int option, _Out_ int *value, _Inout_ uint32_t *length)',
)
const setsockopt = libc.func(
  'int setsockopt(int fd, int level, int option, const void *value, uint32_t length)',
)
const memcpy = libc.func('void *memcpy(void *target, uintptr_t source, size_t length)')

/** Two connected descriptors. The opener closes both. */
export interface DescriptorPair {
  readonly readEnd: number
  readonly writeEnd: number
}

function paired(result: number, fds: readonly number[], call: string): DescriptorPair {
  const [readEnd, writeEnd] = fds
  if (result !== 0 || readEnd === undefined || writeEnd === undefined) {
    throw new Error(`${call} failed with errno ${koffi.errno()}`)
  }
  return { readEnd, writeEnd }
}

/** A pipe whose ends never block and are not inherited by children. */
export function openPipe(): DescriptorPair {
  const fds = [-1, -1]
  return paired(pipe2(fds, O_NONBLOCK | O_CLOEXEC), fds, 'pipe2')
}

/** Reads from a pipe of {@link openPipe}, as much as fits into `buffer`. An empty pipe is left alone. */
export function emptyPipe(fd: number, buffer: Buffer): void {
  read(fd, buffer, buffer.length)
}

/** A socket pair that keeps message boundaries; a full queue drops the message instead of blocking the writer. */
export function openMessagePair(): DescriptorPair {
  const fds = [-1, -1]
  return paired(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), fds, 'socketpair')
}

/** Reads one message into `buffer`; its length in bytes, or -1 when none waits. */
export function receiveMessage(fd: number, buffer: Buffer): number {
  return Number(recv(fd, buffer, buffer.length, MSG_DONTWAIT))
}

/** Copies `length` bytes from a C address into `target`. Nothing checks that `target` is large enough. */
export function copyFromAddress(target: Buffer, address: number | bigint, length: number): void {
  memcpy(target, address, length)
}

/** The local port of a UDP socket, or undefined for any other descriptor. */
export function udpPortOf(fd: number): number | undefined {
  const type = [0]
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, type, [4]) !== 0 || type[0] !== SOCK_DGRAM) return undefined
  const address = Buffer.alloc(128)
  if (getsockname(fd, address, [address.length]) !== 0) return undefined
  const family = address.readUInt16LE(0)
  return family === AF_INET || family === AF_INET6 ? address.readUInt16BE(2) : undefined
}

/**
 * Attaches a classic BPF program to a socket (socket(7), SO_ATTACH_FILTER). The kernel runs the program on each
 * datagram and keeps as many bytes of the datagram as the program returns; 0 drops the datagram.
 *
 * @param program `struct sock_filter` entries of 8 bytes each
 */
export function attachSocketFilter(fd: number, program: Buffer): void {
  const header = Buffer.alloc(16)
  header.writeUInt16LE(program.length / 8, 0)
  header.writeBigUInt64LE(BigInt(koffi.address(program)), 8)
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, header, header.length) !== 0) {
    throw new Error(`SO_ATTACH_FILTER failed with errno ${koffi.errno()}`)
  }
}
