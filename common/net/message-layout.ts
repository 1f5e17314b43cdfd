import { constants } from 'node:os'

const { EAGAIN, EINTR } = constants.errno

/**
 * The structures of sendmmsg(2) and recvmmsg(2) as recv(2), readv(2) and cmsg(3) declare them, laid out as on every 64-bit Linux
 * (x86-64 and arm64 are the same and little-endian): pointers and `size_t` have 8 bytes and start at a multiple of 8.
 *
 * - `struct iovec { void *iov_base; size_t iov_len; }`
 * - `struct msghdr { void *msg_name; socklen_t msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
 *   void *msg_control; size_t msg_controllen; int msg_flags; }`, 56 bytes
 * - `struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; }`
 * - `struct cmsghdr { size_t cmsg_len; int cmsg_level; int cmsg_type; }` and its value, here a `uint16_t`
 */
export const IOVEC = { size: 16, base: 0, length: 8 } as const
export const MMSGHDR = {
  size: 64,
  name: 0,
  nameBytes: 8,
  iovecs: 16,
  iovecCount: 24,
  control: 32,
  controlBytes: 40,
  flags: 48,
  bytes: 56,
} as const

export const CONTROL = { size: 24, length: 18, level: 8, type: 12, value: 16 } as const
/** udp(7): the kernel cuts a message into datagrams of so many bytes, and a last one of the rest. */
export const UDP_SEGMENT = { level: 17, option: 103 } as const

/** sendmmsg(2) on a socket: the number of messages sent from this address on, at most `count`, or -errno. */
export type SendMany = (messages: number, count: number) => number

/**
 * Sends messages in order. What fails is tried once more: an ICMP answer to an earlier datagram shows as the
 * ECONNREFUSED of a later one, which was not sent then (udp(7)). A message that fails twice is left out, and all that
 * are behind it too when the kernel has no room (EAGAIN): they are lost as on a network.
 *
 * @param messagesAt address of the first `struct mmsghdr`
 * @returns how many were lost
 */
export function sendAll(messagesAt: number, count: number, send: SendMany): number {
  let retrying = false
  let lost = 0
  for (let index = 0; index < count; ) {
    const sent = send(messagesAt + index * MMSGHDR.size, count - index)
    if (sent > 0) {
      index += sent
      retrying = false
    } else if (!retrying) retrying = sent !== -EINTR
    else if (sent === -EAGAIN) return lost + count - index
    else if (sent !== -EINTR) {
      index += 1
      lost += 1
      retrying = false
    }
  }
  return lost
}
