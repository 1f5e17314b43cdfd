import { closeSync } from 'node:fs'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int domain, int type, int protocol)')
const ioctl = libc.func('int ioctl(int fd, unsigned long request, void *argument)')

const AF_INET = 2
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000
const SIOCETHTOOL = 0x8946
const ETHTOOL_GET_TS_INFO = 0x41
/** `struct ifreq` of netdevice(7): the name, then a pointer. */
const IFREQ = { size: 40, nameBytes: 16, data: 16 } as const
/** `struct ethtool_ts_info` of linux/ethtool.h. */
const TS_INFO = { size: 44, capabilities: 4, clock: 8 } as const
/** `SOF_TIMESTAMPING_TX_HARDWARE`, `_RX_HARDWARE` and `_RAW_HARDWARE`: all three make stamps that can be used. */
const HARDWARE = 0x1 | 0x4 | 0x40

/** What a network card can do for IEEE 1588. */
export interface Timestamping {
  /** `/dev/ptp0`; null where the card has no clock. */
  readonly clock: string | null
  readonly hardware: boolean
}

const NOTHING: Timestamping = { clock: null, hardware: false }

/** What `ethtool -T` shows of an interface. */
export function timestampingOf(name: string): Timestamping {
  if (Buffer.byteLength(name) >= IFREQ.nameBytes) return NOTHING
  const descriptor: number = socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0)
  if (descriptor < 0) return NOTHING
  const info = Buffer.alloc(TS_INFO.size)
  info.writeUInt32LE(ETHTOOL_GET_TS_INFO, 0)
  const request = Buffer.alloc(IFREQ.size)
  request.write(name, 0)
  request.writeBigUInt64LE(BigInt(koffi.address(info)), IFREQ.data)
  const failed: boolean = ioctl(descriptor, SIOCETHTOOL, request) !== 0
  closeSync(descriptor)
  return failed ? NOTHING : timestampingIn(info)
}

/** @param info `struct ethtool_ts_info` */
export function timestampingIn(info: Buffer): Timestamping {
  const index = info.readInt32LE(TS_INFO.clock)
  return {
    clock: index < 0 ? null : `/dev/ptp${index}`,
    hardware: (info.readUInt32LE(TS_INFO.capabilities) & HARDWARE) === HARDWARE,
  }
}
