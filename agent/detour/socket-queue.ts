import type { Socket } from 'node:net'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
/** tcp(7): bytes that were sent and not acknowledged, or not sent yet. */
const SIOCOUTQ = 0x5411
const ioctl = libc.func('int ioctl(int fd, unsigned long request, _Out_ int *value)')

/** Node's handle of a connection; its descriptor is no part of the documented interface. */
interface WithHandle {
  readonly _handle?: { readonly fd?: number } | null
}

/** Bytes of a TCP connection that the other end has not acknowledged, those in this process included. */
export function unacknowledged(socket: Socket): number {
  const fd = (socket as unknown as WithHandle)._handle?.fd
  const inKernel = [0]
  if (fd === undefined || fd < 0 || ioctl(fd, SIOCOUTQ, inKernel) !== 0) return socket.writableLength
  return socket.writableLength + inKernel[0]!
}
