import { closeSync } from 'node:fs'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int domain, int type, int protocol)')
const sendto = libc.func(
  'int64_t sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t addressLength)',
)

const AF_NETLINK = 16
const SOCK_RAW = 3
const NETLINK_KOBJECT_UEVENT = 15
/** The group to which udev tells what it has done. */
const UDEV = 2

/** Tells everybody in this network namespace what udev would tell. Needs root. */
export function tellUdevEvent(properties: Readonly<Record<string, string>>): void {
  const descriptor: number = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT)
  const body = Object.entries(properties).map(([name, value]) => `${name}=${value}\0`)
  // The header is udev's own business: a prefix, a magic number, and where what stands.
  const message = Buffer.concat([Buffer.from('libudev\0'), Buffer.alloc(32), Buffer.from(body.join(''))])
  const address = Buffer.alloc(12)
  address.writeUInt16LE(AF_NETLINK, 0)
  address.writeUInt32LE(UDEV, 8)
  const sent = Number(sendto(descriptor, message, message.length, 0, address, address.length))
  closeSync(descriptor)
  if (sent !== message.length) throw new Error(`no udev event was sent: errno ${koffi.errno()}`)
}
