import test from 'ava'
import { decodeMessage } from '../../../agent/hardware/dbus/dbus-message.ts'
import { modemsOf } from '../../../agent/hardware/network/modem-facts.ts'
import { ModemWatch } from '../../../agent/hardware/network/modem-watch.ts'
import { createLogger } from '../../../common/logger.ts'
import { BEARER, MODEM, NETWORK, openMockModemManager } from '../../support/mock-modem-manager.ts'
import { modemManagerAnswer } from '../../support/modem-manager-answer.ts'
import { until } from '../../support/until.ts'

const FIRST = '/org/freedesktop/ModemManager1/Modem/0'
const SECOND = '/org/freedesktop/ModemManager1/Modem/1'
const CONNECTION = '/org/freedesktop/ModemManager1/Bearer/3'
/** What a change may take until it is known. */
const SOON_MS = 1000

const EC25 = `{'Manufacturer': <'Quectel'>, 'Model': <'EC25'>, 'State': <11>, 'AccessTechnologies': <uint32 16384>,
  'SignalQuality': <(uint32 75, true)>, 'Device': <'/sys/devices/usb1/1-1/1-1.2'>, 'EquipmentIdentifier': <'8675309'>,
  'Ports': <[('cdc-wdm0', uint32 6), ('ttyUSB2', uint32 3), ('wwan0', uint32 2)]>,
  'Bearers': <@ao []>, 'MaxBearers': <uint32 1>}`

async function watchModems() {
  await using stack = new AsyncDisposableStack()
  const manager = stack.use(await openMockModemManager())
  let changes = 0
  const changed = (): void => {
    changes += 1
  }
  const watch = stack.use(new ModemWatch({ logger: createLogger('silent'), changed, bus: manager.bus }))
  const owned = stack.move()
  return {
    manager,
    watch,
    changes: () => changes,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

test('modems are known as they come, change and go', async (t) => {
  await using rig = await watchModems()
  const { manager, watch } = rig
  await manager.start()
  await manager.add(FIRST, MODEM, EC25)
  await until(() => watch.modems.has('wwan0'), 'the modem is known', SOON_MS)
  t.deepEqual(watch.modems.get('wwan0'), {
    operator: null,
    technology: 'lte',
    signal_percent: 75,
    state: 'connected',
    model: 'Quectel EC25',
  })
  t.deepEqual([...watch.modems.keys()], ['wwan0'], 'ports that are no network are no interfaces')

  await manager.extend(FIRST, NETWORK, "{'OperatorName': <'Field Mobile'>, 'RegistrationState': <uint32 1>}")
  await manager.set(FIRST, MODEM, 'AccessTechnologies', '<uint32 49152>')
  await manager.set(FIRST, MODEM, 'SignalQuality', '<(uint32 31, true)>')
  await until(() => watch.modems.get('wwan0')?.signal_percent === 31, 'the signal is known', SOON_MS)
  t.like(watch.modems.get('wwan0'), { operator: 'Field Mobile', technology: '5gnr, lte' })

  await manager.add(CONNECTION, BEARER, "{'Connected': <true>, 'Interface': <'ppp0'>}")
  await manager.add(
    SECOND,
    MODEM,
    `{'Model': <'E3372'>, 'State': <11>, 'Ports': <[('ttyUSB0', uint32 3)]>, 'Bearers': <[objectpath '${CONNECTION}']>}`,
  )
  await until(() => watch.modems.has('ppp0'), 'the interface of a connection is known', SOON_MS)
  t.like(watch.modems.get('ppp0'), { model: 'E3372', signal_percent: null, technology: null })

  const before = rig.changes()
  await manager.set(FIRST, MODEM, 'MaxBearers', '<uint32 2>')
  await manager.remove(FIRST)
  await until(() => !watch.modems.has('wwan0'), 'the modem is gone', SOON_MS)
  t.deepEqual([...watch.modems.keys()], ['ppp0'])
  t.is(rig.changes(), before + 1, 'what says nothing about modems is no change')
})

test('a ModemManager and a bus that end are followed again', async (t) => {
  await using rig = await watchModems()
  const { manager, watch } = rig
  for (const restart of [() => manager.stop(), () => manager.restartBus()]) {
    await manager.start()
    await manager.add(FIRST, MODEM, EC25)
    await until(() => watch.modems.has('wwan0'), 'the modem is known')
    await restart()
    await until(() => watch.modems.size === 0, 'nothing is known', SOON_MS)
  }
  await manager.start()
  await manager.add(FIRST, MODEM, EC25)
  await until(() => watch.modems.has('wwan0'), 'the modem is known again')
  t.is(watch.modems.get('wwan0')!.model, 'Quectel EC25')
})

test('ModemManager itself is understood', (t) => {
  const [managed] = decodeMessage(modemManagerAnswer()).body
  const fact = {
    ...{ operator: 'Field Mobile', technology: 'lte', signal_percent: 67, state: 'registered' },
    model: 'Quectel EC25',
  }
  t.deepEqual(modemsOf(managed), [{ fact, interfaces: [], bearers: [] }])
  for (const broken of [null, [], 'x', { '/a': { 'org.freedesktop.ModemManager1.Modem': { Ports: 7 } } }])
    t.throws(() => modemsOf(broken))
})

test('where there is no bus nothing is known, and the watch ends at once', async (t) => {
  await using watch = new ModemWatch({
    logger: createLogger('silent'),
    changed: () => t.fail(),
    bus: '/nowhere/bus',
  })
  t.is(watch.modems.size, 0)
})
