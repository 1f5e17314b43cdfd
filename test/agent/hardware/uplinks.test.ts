import test from 'ava'
import { linkIdsOf, type UplinkCandidate } from '../../../agent/hardware/network/uplinks.ts'
import { EMPTY_NODE_CONFIG, type NodeConfig, nodeConfigSchema } from '../../../common/wire/node-config.ts'

const USB = '/sys/devices/platform/fc800000.usb/usb1/1-1'

function modem(name: string, port: string, part = '1.4'): UplinkCandidate {
  return { name, kind: 'cellular', path: `${USB}/${port}/${port}:${part}`, usbPort: port, reachesOut: true }
}

function board(name: string, more: Partial<UplinkCandidate> = {}): UplinkCandidate {
  const path = `/sys/devices/platform/${name}.ethernet`
  return { name, kind: 'wired', path, usbPort: null, reachesOut: true, ...more }
}

const config = (given: Partial<NodeConfig>) => nodeConfigSchema.parse({ ...EMPTY_NODE_CONFIG, ...given })

const CASES: readonly {
  readonly of: string
  readonly candidates: readonly UplinkCandidate[]
  readonly config?: Partial<NodeConfig>
  readonly ids: readonly (string | null)[]
}[] = [
  {
    of: 'what is on the board has its name, what is plugged in the place',
    candidates: [board('eth0'), modem('wwan0', '1-1.2'), modem('wwan1', '1-1.3')],
    ids: ['eth0', 'usb-1-1.2', 'usb-1-1.3'],
  },
  {
    of: 'modems that woke up in another order have the same ids',
    candidates: [modem('wwan0', '1-1.3'), board('eth0'), modem('wwan1', '1-1.2')],
    ids: ['usb-1-1.3', 'eth0', 'usb-1-1.2'],
  },
  {
    of: 'a modem with two interfaces',
    candidates: [modem('wwan0', '1-1.2', '1.4'), modem('wwan1', '1-1.2', '1.5')],
    ids: ['usb-1-1.2', 'usb-1-1.2-1.5'],
  },
  {
    of: 'what never reached out, what is no way to the world, and what is excluded',
    candidates: [
      board('eth0', { reachesOut: false }),
      board('br0', { kind: 'other' }),
      board('tun0', { kind: 'vpn' }),
      board('docker9'),
      board('wlan0', { kind: 'wifi' }),
    ],
    config: { not_uplinks: ['docker*', 'eth7'] },
    ids: [null, null, null, null, 'wlan0'],
  },
  {
    of: 'the configuration names interfaces by name, by path, by a pattern, and without a way out',
    candidates: [board('eth0', { reachesOut: false }), modem('wwan0', '1-1.2'), modem('wwan1', '1-1.3')],
    config: {
      uplinks: [
        { link_id: 'office', interface: 'eth0', enabled: true },
        { link_id: 'lte-a', interface: `${USB}/1-1.2/*`, enabled: true },
        { link_id: 'lte-b', interface: '/sys/devices/*/1-1.3:1.4/net/wwan1', enabled: true },
      ],
    },
    ids: ['office', 'lte-a', 'lte-b'],
  },
  {
    of: 'the configuration lists an interface that is excluded by a pattern, or is a VPN, or is off',
    candidates: [board('eth0'), board('eth1'), board('tun0', { kind: 'vpn' }), board('eth2')],
    config: {
      not_uplinks: ['eth*'],
      uplinks: [
        { link_id: 'one', interface: 'eth0', enabled: true },
        { link_id: 'tunnel', interface: 'tun0', enabled: true },
        { link_id: 'off', interface: 'eth2', enabled: false },
      ],
    },
    ids: ['one', null, 'tunnel', null],
  },
  {
    of: 'an id that the configuration gave to another interface is not given twice',
    candidates: [board('eth0'), board('eth1')],
    config: { uplinks: [{ link_id: 'eth0', interface: 'eth1', enabled: true }] },
    ids: [null, 'eth0'],
  },
  {
    of: 'a pattern of which two interfaces are',
    candidates: [modem('wwan0', '1-1.2', '1.4'), modem('wwan1', '1-1.2', '1.5')],
    config: { uplinks: [{ link_id: 'lte', interface: `${USB}/1-1.2/*`, enabled: true }] },
    ids: ['lte', null],
  },
  {
    of: 'names that are no ids',
    candidates: [board('eth0.100@x'), board('_0')],
    ids: ['eth0.100-x', null],
  },
]

for (const { of, candidates, config: given = {}, ids } of CASES)
  test(of, (t) => t.deepEqual(linkIdsOf(candidates, config(given)), ids))
