import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { DeviceWatch, type DeviceWatchOptions } from '../../agent/hardware/device-watch.ts'
import { DeviceEvents } from '../../agent/hardware/media/device-events.ts'
import { createLogger } from '../../common/logger.ts'
import { EMPTY_NODE_CONFIG, type NodeConfig } from '../../common/wire/node-config.ts'
import { type NodeReport, nodeReportSchema } from '../../common/wire/node-report.ts'
import { MODEM, openMockModemManager } from '../support/mock-modem-manager.ts'
import { openGpsd } from '../support/real-gpsd.ts'
import { tellUdevEvent } from '../support/udev-event.ts'
import { until } from '../support/until.ts'

/** The device's facts while cables, routes and sound cards come and go. test/agent/hardware/device-watch.test.ts runs this. */

const HOTPLUG_MS = 1000
const ip = (words: string): void => void execFileSync('ip', words.split(' '))

/** A watch in this namespace, with a machine whose sound cards are files of the test. */
async function watchDevice(more: Pick<DeviceWatchOptions, 'bus' | 'gpsdPort'> = {}) {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'device-'))
  stack.defer(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'asound'), { recursive: true })
  for (const name of ['stat', 'meminfo']) await writeFile(join(folder, name), '')
  const changes: NodeReport[] = []
  const state: { config: NodeConfig } = { config: EMPTY_NODE_CONFIG }
  const watch = stack.use(
    await DeviceWatch.open({
      logger: createLogger('silent'),
      config: () => state.config,
      onChange: (sections) => changes.push(nodeReportSchema.parse(sections)),
      roots: { sys: join(folder, 'sys'), dev: join(folder, 'dev'), proc: folder },
      probe: async () => [],
      ...more,
    }),
  )
  const owned = stack.move()
  const interfaces = () => watch.report.interfaces ?? []
  return {
    watch,
    changes,
    state,
    folder,
    of: (name: string) => interfaces().find((one) => one.name === name),
    links: () => interfaces().flatMap(({ link_id }) => link_id ?? []),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

test.serial('cables, addresses and ways out are told as they come and go', async (t) => {
  await using device = await watchDevice()
  t.deepEqual(device.watch.report.interfaces, [])
  t.deepEqual(nodeReportSchema.parse(device.watch.report), device.watch.report)

  ip('link add up0 type veth peer name up0far')
  await until(() => device.of('up0'), 'the cable is told', HOTPLUG_MS)
  t.like(device.of('up0'), {
    kind: 'wired',
    carrier: false,
    addresses: [],
    gateway: null,
    link_id: null,
    path: null,
  })

  ip('address add 10.9.0.2/24 dev up0')
  for (const end of ['up0', 'up0far']) ip(`link set ${end} up`)
  await until(
    () => device.of('up0')?.carrier && device.of('up0')?.addresses.length,
    'it has a carrier',
    HOTPLUG_MS,
  )
  t.is(device.of('up0')!.addresses[0], '10.9.0.2')
  t.is(device.of('up0')!.link_id, null, 'a cable without a way out may lead to a camera')

  ip('route add default via 10.9.0.1 dev up0 metric 100')
  await until(() => device.of('up0')?.link_id === 'up0', 'it is an uplink', HOTPLUG_MS)
  t.is(device.of('up0')!.gateway, '10.9.0.1')

  ip('link set up0far down')
  await until(() => device.of('up0')?.carrier === false, 'the cable is cut', HOTPLUG_MS)
  t.is(device.of('up0')!.link_id, 'up0', 'a cut uplink is an uplink still')

  ip('link delete up0')
  await until(() => device.of('up0') === undefined, 'the cable is gone', HOTPLUG_MS)
  t.true(device.changes.filter(({ interfaces }) => interfaces).length >= 5, 'each change was told')
})

test.serial('two uplinks may have the same gateway, and a bridge with its ports is none', async (t) => {
  await using device = await watchDevice()
  for (const [name, metric] of [
    ['m0', 100],
    ['m1', 200],
  ] as const) {
    ip(`link add ${name} type veth peer name ${name}far`)
    ip(`address add 192.168.8.100/24 dev ${name}`)
    for (const end of [name, `${name}far`]) ip(`link set ${end} up`)
    ip(`route add default via 192.168.8.1 dev ${name} metric ${metric}`)
  }
  ip('link add br0 type bridge')
  ip('link set m1far master br0')
  ip('link set br0 up')
  ip('address add 10.10.0.1/24 dev br0')
  ip('route add default via 10.10.0.2 dev br0 metric 300')
  await until(() => device.of('br0')?.gateway === '10.10.0.2', 'the bridge is told', HOTPLUG_MS)
  t.deepEqual(device.links(), ['m0', 'm1'])
  t.deepEqual(
    ['m0', 'm1'].map((name) => device.of(name)!.gateway),
    ['192.168.8.1', '192.168.8.1'],
  )
  t.like(device.of('m1far'), { kind: 'other', link_id: null })

  device.state.config = {
    ...EMPTY_NODE_CONFIG,
    uplinks: [{ link_id: 'first', interface: 'm0', enabled: true }],
    not_uplinks: ['m1*'],
  }
  await device.watch.reconfigured()
  await until(() => device.links().join() === 'first', 'the configuration names them', HOTPLUG_MS)
  for (const name of ['m0', 'm1', 'br0']) ip(`link delete ${name}`)
})

test.serial(
  'an interface that ModemManager calls a modem’s is cellular, with operator and signal',
  async (t) => {
    await using manager = await openMockModemManager()
    await using device = await watchDevice({ bus: manager.bus })
    ip('link add wwan0 type veth peer name wwan0far')
    await until(() => device.of('wwan0')?.kind === 'wired', 'it is told', HOTPLUG_MS)
    await manager.start()
    const path = '/org/freedesktop/ModemManager1/Modem/0'
    await manager.add(path, MODEM, "{'Model': <'EC25'>, 'State': <11>, 'Ports': <[('wwan0', uint32 2)]>}")
    await until(() => device.of('wwan0')?.kind === 'cellular', 'it is a modem', HOTPLUG_MS)
    t.like(device.of('wwan0')!.modem, { model: 'EC25', state: 'connected', signal_percent: null })
    await manager.stop()
    await until(() => device.of('wwan0')?.modem === null, 'nobody tells of the modem', HOTPLUG_MS)
    ip('link delete wwan0')
  },
)

test.serial('the device tells where it is while its configuration says so', async (t) => {
  ip('link set lo up')
  await using gpsd = await openGpsd()
  await using device = await watchDevice({ gpsdPort: gpsd.port })
  t.false('position' in device.watch.report)
  const fix = { latitude: 48.1173, longitude: 11.5167, knots: 0, altitude: 545 }
  const isPlaced = () => {
    gpsd.receive(fix)
    return Boolean(device.watch.report.position)
  }
  device.state.config = { ...EMPTY_NODE_CONFIG, position: true }
  await device.watch.reconfigured()
  await until(isPlaced, 'the place is told')
  t.true(Math.abs(device.watch.report.position!.latitude - fix.latitude) < 1e-5)

  device.state.config = EMPTY_NODE_CONFIG
  await device.watch.reconfigured()
  await until(() => device.watch.report.position === null, 'it is told no more', HOTPLUG_MS)
  t.true(device.changes.some(({ position }) => position === null))
})

test.serial('the kernel tells of devices by itself, where there is no udev', async (t) => {
  let told = 0
  using _events = new DeviceEvents(() => {
    told += 1
  }, ['mem'])
  const event = '/sys/class/mem/null/uevent'
  await until(
    async () => {
      await writeFile(event, 'change')
      return told > 0
    },
    'the event arrives',
    HOTPLUG_MS,
  )
  t.true(told > 0)
})

test.serial('an encoder in use works, though it was too busy for a trial', async (t) => {
  const inUse: string[] = []
  const busy = (element: string) => ({ element, works: false, reason: 'busy', fps_720p: null })
  await using watch = await DeviceWatch.open({
    ...{
      logger: createLogger('silent'),
      config: () => EMPTY_NODE_CONFIG,
      onChange: () => {},
      inUse: () => inUse,
    },
    probe: async () => [busy('v4l2h264enc'), busy('x264enc')],
  })
  const working = async () => {
    await watch.probeEncoders()
    return watch.report.encoders!.filter(({ works }) => works).map(({ element }) => element)
  }
  t.deepEqual(await working(), [])
  inUse.push('v4l2h264enc')
  t.deepEqual(await working(), ['v4l2h264enc'])
})

test.serial('a sound card that is plugged in is an input at once', async (t) => {
  await using device = await watchDevice()
  t.deepEqual(
    device.watch.report.inputs!.map(({ kind }) => kind),
    ['test-card'],
  )
  const asound = join(device.folder, 'asound')
  await writeFile(
    join(asound, 'cards'),
    ' 1 [C920           ]: USB-Audio - HD Pro Webcam C920\n      at usb-1\n',
  )
  await writeFile(join(asound, 'pcm'), '01-00: USB Audio : USB Audio : capture 1\n')
  tellUdevEvent({ ACTION: 'add', SUBSYSTEM: 'tty' })
  tellUdevEvent({ ACTION: 'add', SUBSYSTEM: 'sound' })
  await until(() => device.watch.report.inputs!.length === 2, 'the card is told', HOTPLUG_MS)
  t.like(device.watch.report.inputs![1], {
    kind: 'alsa',
    device: 'hw:CARD=C920,DEV=0',
    label: 'HD Pro Webcam C920',
  })
})
