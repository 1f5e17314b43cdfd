import test from 'ava'
import { HubClient } from '../../../agent/node/hub-client.ts'
import type { FlowContract } from '../../../common/wire/flow-contract.ts'
import type { NodeReport } from '../../../common/wire/node-report.ts'
import { TestDevice } from '../../support/enrolled-device.ts'
import { startHub } from '../../support/hub.ts'
import { until } from '../../support/until.ts'

/** `deterministic-wired` at a real hub, with a device that tells of its ports over its channel. */

const LINKS = ['eth0', 'eth1']
const RIST = { transport: 'rist', profile: 'main', authentication: 'srp', aes_bits: 256 } as const
const links = LINKS.map((link_id) => ({ link_id, to: 'hub', medium: 'wired' as const }))

const interfaces = LINKS.map((name) => ({
  ...{ name, link_id: name, kind: 'wired' as const, carrier: true, mac: null, addresses: [] },
  ...{ gateway: null, mtu: 1500, path: null, modem: null },
}))
/** @param lost interfaces whose clock has lost its master */
const timing = (...lost: readonly string[]): NodeReport['timing'] =>
  LINKS.map((name) => ({
    interface: name,
    ptp_device: '/dev/ptp0',
    hardware_timestamps: true,
    synchronised: !lost.includes(name),
    offset_ns: 12,
    qdisc: 'taprio',
    pacing: 'fq',
  }))

/** Endpoints without a link wait for uplinks that are plugged in later. */
const linksOf = ({ endpoints }: FlowContract) => endpoints.flatMap(({ link }) => link ?? []).sort()
const WISH = { stream_id: 'cam1', class: 'focus', intent: { mode: 'deterministic-wired' } } as const

test('a deterministic flow is granted on ports whose clocks agree, and leaves one that loses its clock', async (t) => {
  await using hub = await startHub([], { workers: 1, args: ['--tls', 'on', '--deterministic-wired', 'true'] })
  await using device = await TestDevice.enrol(hub, 'van-1', { transports: [RIST], links })
  const { signal } = new AbortController()
  const client = new HubClient({ hubUrl: hub.url, identity: () => device.identity })
  const refused = async (words: RegExp) => {
    const error = await t.throwsAsync(client.publish(WISH, signal))
    t.regex(error?.message ?? '', words)
  }
  await refused(/^deterministic-wired is not possible: the node has no PTP clock; link eth0: it has no TSN/)

  device.report = { interfaces, timing: timing(...LINKS) }
  await device.connect()
  await until(() => device.channel.live, 'the hub hears the device')
  await refused(/link eth0: the PTP clock of its port is not synchronised; link eth1: the PTP clock/)

  device.channel.tellReport({ timing: timing() })
  const granted = await until(
    () => client.publish(WISH, signal).catch(() => null),
    'the flow is granted when the clocks agree',
  )
  t.like(granted.contract, { mode: 'deterministic-wired', pacing: { burst_ms: 1, by: 'fq' } })
  t.deepEqual(linksOf(granted.contract), LINKS)

  device.channel.tellReport({ timing: timing('eth0') })
  const moved = await until(async () => {
    const news = await client.next(granted.contract.contract_id, granted.contract.version, signal)
    return news?.type === 'granted' ? news.grant.contract : null
  }, 'the flow leaves the port')
  t.is(moved.mode, 'deterministic-wired')
  t.deepEqual(
    moved.overlay.bindings.map(({ link_id }) => link_id),
    ['eth1'],
  )
  await until(
    async () => JSON.stringify((await hub.api('GET', '/v1/alarms')).body).includes('link:van-1/eth0'),
    'the alarm is raised',
  )
})
