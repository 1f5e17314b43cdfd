import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const ioctl = libc.func('int ioctl(int fd, unsigned long request, void *argument)')
const setns = libc.func('int setns(int fd, int kind)')

/** linux/if_tun.h: an IP packet a read or write, without a header. */
const TUNSETIFF = 0x400454ca
const IFF_TUN = 0x0001
const IFF_NO_PI = 0x1000
const CLONE_NEWNET = 0x40000000

/**
 * Makes a TUN device of this name in the thread's present network namespace. It lives as long as the descriptor, which
 * goes on working from every other namespace.
 */
export function openTun(name: string): number {
  const fd = openSync('/dev/net/tun', 'r+')
  const request = Buffer.alloc(40)
  request.write(name, 0, 15, 'latin1')
  request.writeUInt16LE(IFF_TUN | IFF_NO_PI, 16)
  if (ioctl(fd, TUNSETIFF, request) === 0) return fd
  const errno = koffi.errno()
  closeSync(fd)
  throw new Error(`no TUN device ${name}: errno ${errno}`)
}

/** Runs `act` in the network namespace of another process, on this thread. */
export function inNamespaceOf<Result>(pid: number, act: () => Result): Result {
  const here = openSync('/proc/thread-self/ns/net', 'r')
  const there = openSync(`/proc/${pid}/ns/net`, 'r')
  try {
    enter(there)
    return act()
  } finally {
    enter(here)
    closeSync(here)
    closeSync(there)
  }
}

function enter(fd: number): void {
  if (setns(fd, CLONE_NEWNET) !== 0) throw new Error(`setns failed: errno ${koffi.errno()}`)
}
