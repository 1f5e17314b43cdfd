import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import test from 'ava'
import type { InterfaceKind } from '../../../agent/hardware/network/interface-kind.ts'
import { Interfaces, type ModemFact } from '../../../agent/hardware/network/interfaces.ts'
import { hardwareOf } from '../../../agent/hardware/network/link-hardware.ts'
import type { Link } from '../../../agent/hardware/network/network-state.ts'
import { type NetworkState, NO_NETWORK } from '../../../agent/hardware/network/route-watch.ts'
import { EMPTY_NODE_CONFIG } from '../../../common/wire/node-config.ts'
import { interfaceSchema } from '../../../common/wire/node-report.ts'

const XHCI = 'devices/platform/fc800000.usb/usb1/1-1'

/** What a board's sysfs says of network cards: bus, device, path, driver, and folders of the device. */
const BOARD = [
  {
    bus: 'platform',
    name: 'fe1c0000.ethernet',
    path: 'devices/platform/fe1c0000.ethernet',
    driver: 'rk_gmac-dwmac',
  },
  {
    bus: 'sdio',
    name: 'mmc2:0001:1',
    path: 'devices/platform/fe2c0000.mmc/mmc2:0001:1',
    driver: 'brcmfmac',
    has: 'ieee80211',
  },
  { bus: 'usb', name: '1-1.2:1.4', path: `${XHCI}/1-1.2/1-1.2:1.4`, driver: 'qmi_wwan', has: 'usbmisc' },
  { bus: 'usb', name: '1-1.3:1.0', path: `${XHCI}/1-1.3/1-1.3:1.0`, driver: 'rndis_host' },
  { bus: 'usb', name: '1-1.4:1.0', path: `${XHCI}/1-1.4/1-1.4:1.0`, driver: 'r8152' },
  {
    bus: 'pci',
    name: '0004:41:00.0',
    path: 'devices/pci0004:40/0004:41:00.0',
    driver: 'mtk_t7xx',
    has: 'wwan',
  },
] as const

const root = mkdtempSync(join(tmpdir(), 'sys-'))
const sys = join(root, 'sys')
test.before(() => {
  for (const { bus, name, path, driver, ...more } of BOARD) {
    const device = join(sys, path)
    mkdirSync(join(device, 'has' in more ? more.has : 'power'), { recursive: true })
    const drivers = join(sys, 'bus', bus, 'drivers', driver)
    mkdirSync(drivers, { recursive: true })
    symlinkSync(relative(device, drivers), join(device, 'driver'))
    const entry = join(sys, 'bus', bus, 'devices', name)
    mkdirSync(dirname(entry), { recursive: true })
    symlinkSync(relative(dirname(entry), device), entry)
  }
  // A kernel before 5.14 does not say the device: the class has it, of this interface.
  const old = join(sys, 'devices/platform/fe1c0000.ethernet/net/eth0')
  mkdirSync(old, { recursive: true })
  writeFileSync(join(old, 'ifindex'), '2\n')
  symlinkSync('../..', join(old, 'device'))
  mkdirSync(join(sys, 'class/net'), { recursive: true })
  symlinkSync(relative(join(sys, 'class/net'), old), join(sys, 'class/net', basename(old)))
})
test.after.always(() => rmSync(root, { recursive: true }))

const link = (given: Partial<Link>): Link => ({
  ...{ index: 2, name: 'eth0', hardware: 1, carrier: true, loopback: false, mac: null, mtu: 1500 },
  ...{ master: null, software: null, device: null },
  ...given,
})
const on = (bus: string, name: string): Pick<Link, 'device'> => ({ device: { bus, name } })
const RAW_IP = 519

const LINKS: readonly (readonly [of: string, link: Link, kind: InterfaceKind, usbPort: string | null])[] = [
  ['the board’s own socket', link(on('platform', 'fe1c0000.ethernet')), 'wired', null],
  ['the board’s own socket under an old kernel', link({}), 'wired', null],
  ['another interface of the same name in another namespace', link({ index: 9 }), 'other', null],
  ['wifi on SDIO', link({ name: 'wlan0', ...on('sdio', 'mmc2:0001:1') }), 'wifi', null],
  ['a modem', link({ name: 'wwan0', hardware: RAW_IP, ...on('usb', '1-1.2:1.4') }), 'cellular', '1-1.2'],
  [
    'a telephone, or a stick with a router',
    link({ name: 'usb0', ...on('usb', '1-1.3:1.0') }),
    'cellular',
    '1-1.3',
  ],
  ['a USB network card', link({ name: 'enx00', ...on('usb', '1-1.4:1.0') }), 'wired', '1-1.4'],
  ['a modem on PCIe', link({ name: 'wwan1', ...on('pci', '0004:41:00.0') }), 'cellular', null],
  ['a device that has just gone', link(on('usb', '7-7:1.0')), 'other', null],
  ['a bridge', link({ software: 'bridge' }), 'other', null],
  ['a port of a bridge', link({ ...on('platform', 'fe1c0000.ethernet'), master: 5 }), 'other', null],
  ['one end of a cable between namespaces', link({ index: 9, software: 'veth' }), 'wired', null],
  ['a VLAN', link({ index: 9, software: 'vlan' }), 'wired', null],
  ['WireGuard', link({ index: 9, hardware: 65_534, software: 'wireguard' }), 'vpn', null],
  ['a modem behind a serial port', link({ index: 9, name: 'ppp0', hardware: 512 }), 'cellular', null],
  ['loopback', link({ index: 1, name: 'lo', hardware: 772, loopback: true }), 'other', null],
]

/** What the device reports of one interface. */
function report(
  one: Link,
  more: Partial<NetworkState> = {},
  modems: ReadonlyMap<string, ModemFact> = new Map(),
) {
  const state = { ...NO_NETWORK, links: [one], ...more }
  return new Interfaces({ sys }).describe(state, EMPTY_NODE_CONFIG, modems)[0]
}

for (const [of, one, kind, usbPort] of LINKS)
  test(of, (t) => {
    t.is(hardwareOf(one, { sys }).usbPort, usbPort)
    const fact = report(one)
    if (one.loopback) t.is(fact, undefined)
    else {
      t.is(fact!.kind, kind)
      t.notThrows(() => interfaceSchema.parse(fact))
    }
  })

test('paths are those of the machine, without the name that changes', (t) => {
  t.is(report(link({ name: 'wwan7', ...on('usb', '1-1.2:1.4') }))!.path, `/sys/${XHCI}/1-1.2/1-1.2:1.4`)
  t.is(report(link({ index: 9, software: 'veth' }))!.path, null)
})

test('what ModemManager calls a modem is one', (t) => {
  const modem = { operator: null, technology: 'lte', signal_percent: 50, state: 'connected', model: 'E3372' }
  const fact = report(link({ name: 'eth1', ...on('usb', '1-1.4:1.0') }), {}, new Map([['eth1', modem]]))!
  t.like(fact, { kind: 'cellular', modem })
})

test('the way out is the main table’s, by IPv4, of the least metric, and not our own', (t) => {
  const route = { index: 2, family: 4, gateway: '10.0.0.1', metric: 100, table: 254, protocol: 16 } as const
  const eth0 = link(on('platform', 'fe1c0000.ethernet'))
  const gateway = (...routes: readonly NetworkState['routes'][number][]) => report(eth0, { routes })!.gateway
  t.is(gateway(), null)
  t.is(gateway({ ...route, index: 3 }), null)
  t.is(gateway({ ...route, gateway: 'fe80::1', family: 6, metric: 1 }, route), '10.0.0.1')
  t.is(gateway(route, { ...route, gateway: '10.0.0.2', metric: 50 }), '10.0.0.2')
  t.is(gateway({ ...route, gateway: '10.0.0.2', table: 100, metric: 1 }, route), '10.0.0.1')
  t.is(gateway({ ...route, gateway: '10.0.0.2', table: 100 }), '10.0.0.2')
  t.is(gateway({ ...route, table: 7701, protocol: 78 }), null, 'what the agent made says nothing')
})

test('an interface is an uplink once it reached out, until it is gone', (t) => {
  const interfaces = new Interfaces({ sys })
  const eth0 = link(on('platform', 'fe1c0000.ethernet'))
  const route = { index: 2, family: 4, gateway: null, metric: 0, table: 254, protocol: 16 } as const
  const up: NetworkState = {
    ...NO_NETWORK,
    links: [eth0],
    addresses: [{ index: 2, ip: '10.0.0.2' }],
    routes: [route],
  }
  const linkId = (state: NetworkState) => interfaces.describe(state, EMPTY_NODE_CONFIG, new Map())[0]?.link_id
  t.is(linkId({ ...up, routes: [] }), null)
  t.is(linkId({ ...up, addresses: [] }), null)
  t.is(linkId({ ...up, links: [{ ...eth0, carrier: false }] }), null)
  t.is(linkId(up), 'eth0')
  t.is(linkId({ ...up, links: [{ ...eth0, carrier: false }], addresses: [], routes: [] }), 'eth0')
  t.is(linkId(NO_NETWORK), undefined)
  t.is(linkId({ ...up, routes: [] }), null, 'another one may be plugged in there')
})
