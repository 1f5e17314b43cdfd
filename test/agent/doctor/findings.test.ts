import test from 'ava'
import type { AgentStatus } from '../../../agent/daemon/agent-status.ts'
import { agentFindings } from '../../../agent/doctor/agent-findings.ts'
import { deviceFindings } from '../../../agent/doctor/device-findings.ts'
import { type Finding, type Severity, worst } from '../../../agent/doctor/finding.ts'
import { type NodeConfig, nodeConfigSchema } from '../../../common/wire/node-config.ts'
import type { NodeReport } from '../../../common/wire/node-report.ts'

type InterfaceFact = NonNullable<NodeReport['interfaces']>[number]

const eth0: InterfaceFact = {
  ...{ name: 'eth0', kind: 'wired', carrier: true, mac: null, addresses: ['10.0.0.2'], gateway: '10.0.0.1' },
  ...{ mtu: 1500, link_id: 'eth0', path: null, modem: null },
}
const modem = { operator: 'Field', technology: 'lte', signal_percent: 70, state: 'connected', model: 'EC25' }
const wwan0: InterfaceFact = { ...eth0, name: 'wwan0', kind: 'cellular', link_id: 'usb-1-1.2', modem }

/** A device at its best. */
const GOOD: NodeReport = {
  interfaces: [eth0, wwan0],
  inputs: [
    {
      ...{ kind: 'v4l2', device: '/dev/v4l/by-id/cam', label: 'Cam' },
      formats: [{ format: 'mjpeg', width: 1280, height: 720, rates: [30] }],
    },
  ],
  encoders: [{ element: 'x264enc', works: true, reason: null, fps_720p: 90 }],
  system: {
    ...{ cpu: 0.2, cores: 4, load_1m: 1, temperature_c: 60, throttled: false },
    ...{ memory_mb: { total: 4000, available: 3000 }, disk_mb: { total: 30_000, available: 20_000 } },
  },
  clock: { ahead_ms: 3, error_ms: 10, synchronised: true },
}
const config = (given: object = {}): NodeConfig => nodeConfigSchema.parse(given)

test('a device at its best has nothing to change', (t) => {
  const findings = deviceFindings(GOOD, config())
  t.deepEqual(
    findings.filter(({ severity }) => severity !== 'fine'),
    [],
  )
  const looked = new Set(findings.map(({ check }) => check))
  t.deepEqual([...looked], ['uplinks', 'modems', 'inputs', 'encoders', 'system', 'clock'])
})

const FAULTS: readonly (readonly [what: RegExp, severity: Severity, report: NodeReport, config?: object])[] =
  [
    [/uplinks: there is no way to the hub/, 'fault', { interfaces: [] }],
    [
      /uplinks: eth0: interface eth0 has no carrier/,
      'warning',
      { interfaces: [{ ...eth0, carrier: false }] },
    ],
    [
      /uplinks: eth0: interface eth0 has no address/,
      'warning',
      { interfaces: [{ ...eth0, addresses: [] }, wwan0] },
    ],
    [/uplinks: there is one uplink/, 'warning', { interfaces: [eth0, { ...wwan0, link_id: null }] }],
    [
      /uplinks: lte: there is no interface wwan7/,
      'warning',
      {},
      { uplinks: [{ link_id: 'lte', interface: 'wwan7' }] },
    ],
    [/modems: wwan0: nobody tells/, 'warning', { interfaces: [eth0, { ...wwan0, modem: null }] }],
    [
      /modems: wwan0: .*locked/,
      'warning',
      { interfaces: [eth0, { ...wwan0, modem: { ...modem, state: 'locked' } }] },
    ],
    [
      /modems: .*signal 9 %/,
      'warning',
      { interfaces: [eth0, { ...wwan0, modem: { ...modem, signal_percent: 9 } }] },
    ],
    [
      /inputs: cam1: \/dev\/video7 is not among/,
      'warning',
      {},
      { broadcasts: [{ stream_id: 'cam1', source: { kind: 'v4l2', device: '/dev/video7' } }] },
    ],
    [
      /encoders: x264enc: GStreamer has no such element here/,
      'fault',
      {
        encoders: [
          { element: 'x264enc', works: false, reason: 'GStreamer has no such element here', fps_720p: null },
        ],
      },
    ],
    [
      /encoders: x264enc is slow/,
      'warning',
      { encoders: [{ element: 'x264enc', works: true, reason: null, fps_720p: 20 }] },
    ],
    [
      /system: the disk is nearly full/,
      'warning',
      { system: { ...GOOD.system!, disk_mb: { total: 9000, available: 100 } } },
    ],
    [
      /system: memory is nearly full/,
      'warning',
      { system: { ...GOOD.system!, memory_mb: { total: 500, available: 50 } } },
    ],
    [/system: the kernel slows the cores/, 'warning', { system: { ...GOOD.system!, throttled: true } }],
    [/system: it is 91/, 'warning', { system: { ...GOOD.system!, temperature_c: 91 } }],
    [
      /clock: the clock is -31536000000 ms ahead/,
      'warning',
      { clock: { ...GOOD.clock!, ahead_ms: -31_536_000_000 } },
    ],
    [/clock: nobody keeps the clock/, 'warning', { clock: { ...GOOD.clock!, synchronised: false } }],
  ]
for (const [what, severity, report, given] of FAULTS)
  test(`a fault: ${what.source} ${severity}`, (t) => {
    const findings = deviceFindings({ ...GOOD, ...report }, config(given))
    const found = findings.filter((one) => what.test(`${one.check}: ${one.what}`))
    t.is(found.length, 1, JSON.stringify(findings.filter((one) => one.severity !== 'fine')))
    t.is(found[0]!.severity, severity)
    t.true(found[0]!.change !== null, 'it says what to change')
  })

test('of what nobody knows yet nothing is held against the device', (t) => {
  const { interfaces } = GOOD
  const findings = deviceFindings({ interfaces: interfaces! }, config())
  t.is(worst(findings), 'unknown')
})

const NOW = 1_796_000_000_000
const RUNS: AgentStatus = {
  ...{
    node_id: 'van-1',
    hub_url: 'https://hub',
    overlay_addresses: [],
    pid: 7,
    online: true,
    certificate_not_after: NOW + 30 * 86_400_000,
  },
  ...{ config_version: 3, broadcasts: [], report: {} },
}
const broadcast = (state: AgentStatus['broadcasts'][number]['state']): AgentStatus['broadcasts'][number] => ({
  ...{
    stream_id: 'cam1',
    state,
    reason: 'because',
    since: NOW,
    contract_id: null,
    encoder: null,
    target_kbps: null,
  },
  ...{
    sent_kbps: 0,
    fps: null,
    renditions: [],
    encoder_restarts: 0,
    sender_restarts: 0,
    backlog_mb: 0,
    links: [],
  },
})

const AGENTS: readonly (readonly [of: string, status: AgentStatus | null, severity: Severity])[] = [
  ['it runs', RUNS, 'fine'],
  ['it does not run', null, 'warning'],
  ['nobody hears it', { ...RUNS, online: false }, 'warning'],
  ['nobody configured it', { ...RUNS, config_version: null }, 'warning'],
  ['its certificate is old', { ...RUNS, certificate_not_after: NOW + 1000 }, 'warning'],
  ['its certificate has run out', { ...RUNS, certificate_not_after: NOW - 1000 }, 'fault'],
  ['it has no certificate', { ...RUNS, certificate_not_after: null }, 'fine'],
  ['a broadcast is live', { ...RUNS, broadcasts: [broadcast('live')] }, 'fine'],
  ['a broadcast has no input', { ...RUNS, broadcasts: [broadcast('no_input')] }, 'fault'],
  ['a broadcast failed', { ...RUNS, broadcasts: [broadcast('failed'), broadcast('live')] }, 'fault'],
]
for (const [of, status, severity] of AGENTS)
  test(`the agent: ${of}`, (t) => {
    const findings: readonly Finding[] = agentFindings(status, NOW)
    t.is(worst(findings), severity)
    t.true(findings.every((one) => (one.severity === 'fine') === (one.change === null)))
  })
