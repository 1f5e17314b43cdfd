import type { NodeReport } from '../../../common/wire/node-report.ts'
import type { LinkHardware } from './link-hardware.ts'
import type { Link } from './network-state.ts'

export type InterfaceKind = NonNullable<NodeReport['interfaces']>[number]['kind']

/** `ARPHRD_…` of linux/if_arp.h. */
const ETHERNET = 1
const PPP = 512
const RAW_IP = 519
/** Drivers of modems, and of what looks like a network card and has a modem inside: sticks with a router, telephones. */
const CELLULAR_DRIVERS = new Set([
  'qmi_wwan',
  'cdc_mbim',
  'huawei_cdc_ncm',
  'sierra_net',
  'hso',
  'rndis_host',
  'ipheth',
  'mhi_wwan_mbim',
  'mhi_net',
  'iosm',
  't7xx',
  'wwan',
])
const VPN = new Set(['wireguard', 'tun', 'ipip', 'sit', 'gre', 'vti', 'xfrm', 'ovpn', 'ovpn-dco'])
/** Made by software, and still a cable to the world: the one end of a container's, or a part of a real one. */
const WIRES = new Set(['veth', 'vlan', 'macvlan', 'ipvlan', 'bond', 'team'])

/**
 * How an interface reaches the world. `other`: loopback, bridges, parts of bridges and bonds, and what nobody knows.
 *
 * @param isModem whether ModemManager says that the interface is a modem's
 */
export function kindOf(link: Link, hardware: LinkHardware, isModem: boolean): InterfaceKind {
  if (link.loopback || link.master !== null) return 'other'
  if (isModem || hardware.wwan || CELLULAR_DRIVERS.has(hardware.driver ?? '')) return 'cellular'
  if (hardware.wifi) return 'wifi'
  if (link.software !== null && VPN.has(link.software)) return 'vpn'
  if (link.software === null ? hardware.path !== null : WIRES.has(link.software))
    return link.hardware === ETHERNET ? 'wired' : 'other'
  // A modem behind a serial port.
  if (link.hardware === PPP || link.hardware === RAW_IP) return 'cellular'
  return 'other'
}
