import { Endpoint } from '../../../common/net/endpoint.ts'
import { type Attributes, attributesOf, numberOf, textOf } from '../netlink/netlink-message.ts'

/** A network interface, as the kernel describes it in `RTM_NEWLINK` (rtnetlink(7)). */
export interface Link {
  readonly index: number
  readonly name: string
  /** `ARPHRD_…` of linux/if_arp.h. */
  readonly hardware: number
  /** Somebody has set it up, and there is a cable, an association, a bearer. */
  readonly carrier: boolean
  readonly loopback: boolean
  readonly mac: string | null
  readonly mtu: number | null
  /** Index of the bridge or bond that it is a part of. */
  readonly master: number | null
  /** Kind of an interface that is made by software: `veth`, `bridge`, `wireguard`. */
  readonly software: string | null
  /** Device below /sys/bus that it belongs to; kernels from 5.14 say it. */
  readonly device: { readonly bus: string; readonly name: string } | null
}

/** What queues packets of an interface, or of one of its queues. */
export interface Qdisc {
  readonly index: number
  /** `fq`, `mq`, `noqueue`. */
  readonly kind: string
  /** Whether it is the interface's own, which may have others below it. */
  readonly root: boolean
}

export interface LinkAddress {
  readonly index: number
  readonly ip: string
}

/** A default route of an interface. */
export interface DefaultRoute {
  readonly index: number
  readonly family: 4 | 6
  /** null where the other end is on the link itself, as with most modems. */
  readonly gateway: string | null
  readonly metric: number
  /** The routing table, as in ip-route(8): 254 is `main`. */
  readonly table: number
  /** Who made it, `RTPROT_…`: 2 the kernel, 4 an administrator, 16 DHCP. */
  readonly protocol: number
}

const IFF_UP = 0x1
const IFF_LOOPBACK = 0x8
const IFF_LOWER_UP = 0x1_0000
const AF_INET = 2
const AF_INET6 = 10
/** Attributes of linux/if_link.h, linux/if_addr.h and linux/rtnetlink.h. */
const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  MASTER: 10,
  LINKINFO: 18,
  PARENT_DEV_NAME: 56,
  PARENT_DEV_BUS_NAME: 57,
} as const
const IFLA_INFO_KIND = 1
const IFA = { ADDRESS: 1, LOCAL: 2, FLAGS: 8 } as const
/** Failed duplicate detection, deprecated, tentative; and of IPv6 temporary, which of IPv4 means just another one. */
const IFA_UNFIT = 0x08 | 0x20 | 0x40
const IFA_TEMPORARY = 0x01
const RTA = { OIF: 4, GATEWAY: 5, PRIORITY: 6, MULTIPATH: 9, TABLE: 15, VIA: 18 } as const
const TCA_KIND = 1
/** `TC_H_ROOT`. */
const ROOT = 0xffff_ffff
const RTN_UNICAST = 1
const RT_SCOPE_UNIVERSE = 0

/** @param body of `RTM_NEWLINK`: `struct ifinfomsg` and attributes; null for what is no interface */
export function parseLink(body: Buffer): Link | null {
  if (body.length < 16) return null
  const flags = body.readUInt32LE(8)
  const found = attributesOf(body, 16)
  const name = textOf(found.get(IFLA.IFNAME))
  if (name === null) return null
  const info = found.get(IFLA.LINKINFO)
  const bus = textOf(found.get(IFLA.PARENT_DEV_BUS_NAME))
  const device = textOf(found.get(IFLA.PARENT_DEV_NAME))
  return {
    index: body.readInt32LE(4),
    name,
    hardware: body.readUInt16LE(2),
    carrier: (flags & IFF_UP) !== 0 && (flags & IFF_LOWER_UP) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    mac: macOf(found.get(IFLA.ADDRESS)),
    mtu: numberOf(found.get(IFLA.MTU)),
    master: numberOf(found.get(IFLA.MASTER)),
    software: info ? textOf(attributesOf(info).get(IFLA_INFO_KIND)) : null,
    device: bus && device ? { bus, name: device } : null,
  }
}

/** @param body of `RTM_NEWADDR`; null for an address that nothing can be sent from to the world */
export function parseAddress(body: Buffer): LinkAddress | null {
  if (body.length < 8 || body.readUInt8(3) !== RT_SCOPE_UNIVERSE) return null
  const found = attributesOf(body, 8)
  const flags = numberOf(found.get(IFA.FLAGS)) ?? body.readUInt8(2)
  const ip = ipOf(found.get(IFA.LOCAL) ?? found.get(IFA.ADDRESS))
  const unfit = body.readUInt8(0) === AF_INET6 ? IFA_UNFIT | IFA_TEMPORARY : IFA_UNFIT
  return ip === null || (flags & unfit) !== 0 ? null : { index: body.readUInt32LE(4), ip }
}

/** @param body of `RTM_NEWROUTE`; one entry for each next hop of a default route, nothing for other routes */
export function parseDefaultRoutes(body: Buffer): readonly DefaultRoute[] {
  if (body.length < 12) return []
  const family = body.readUInt8(0)
  const isDefault = body.readUInt8(1) === 0 && body.readUInt8(7) === RTN_UNICAST
  if (!isDefault || (family !== AF_INET && family !== AF_INET6)) return []
  const found = attributesOf(body, 12)
  const shared = {
    family: family === AF_INET ? 4 : 6,
    metric: numberOf(found.get(RTA.PRIORITY)) ?? 0,
    table: numberOf(found.get(RTA.TABLE)) ?? body.readUInt8(4),
    protocol: body.readUInt8(5),
  } as const
  const index = numberOf(found.get(RTA.OIF))
  const hops = found.get(RTA.MULTIPATH)
  if (index !== null) return [{ ...shared, index, gateway: gatewayOf(found) }]
  return hops ? [...hopsOf(hops)].map((hop) => ({ ...shared, ...hop })) : []
}

/** @param body of `RTM_NEWQDISC`: `struct tcmsg` (index, handle, parent) and attributes */
export function parseQdisc(body: Buffer): Qdisc | null {
  const kind = body.length < 20 ? null : textOf(attributesOf(body, 20).get(TCA_KIND))
  return kind === null ? null : { index: body.readInt32LE(4), kind, root: body.readUInt32LE(12) === ROOT }
}

/** `struct rtnexthop`: length, flags, hops, index, and attributes. */
function* hopsOf(bytes: Buffer): Generator<Pick<DefaultRoute, 'index' | 'gateway'>> {
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    if (length < 8 || at + length > bytes.length) return
    const gateway = gatewayOf(attributesOf(bytes.subarray(at, at + length), 8))
    yield { index: bytes.readInt32LE(at + 4), gateway }
    at += (length + 3) & ~3
  }
}

/** `RTA_VIA` is a gateway of the other family: its family stands before it. */
function gatewayOf(found: Attributes): string | null {
  return ipOf(found.get(RTA.GATEWAY) ?? found.get(RTA.VIA)?.subarray(2))
}

function ipOf(bytes: Buffer | undefined): string | null {
  return bytes?.length === 4 || bytes?.length === 16 ? Endpoint.from(bytes, 0).ip : null
}

function macOf(bytes: Buffer | undefined): string | null {
  if (bytes?.length !== 6 || bytes.every((byte) => byte === 0)) return null
  return bytes.toString('hex').replace(/(?<=^(?:..)+)(?=(?:..)+$)/g, ':')
}
