import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import test from 'ava'
import { isNews, type Position, positionIn } from '../../../agent/hardware/position/gpsd-protocol.ts'
import { GpsdWatch } from '../../../agent/hardware/position/gpsd-watch.ts'
import { createLogger } from '../../../common/logger.ts'
import { type Fix, openGpsd } from '../../support/real-gpsd.ts'
import { until } from '../../support/until.ts'

const logger = createLogger('silent')
const MUNICH: Fix = { latitude: 48.1173, longitude: 11.5167, knots: 22.4, altitude: 545.4 }
const NEARBY: Fix = { ...MUNICH, latitude: 48.1183 }

test('a device is where its receiver says, and nowhere without one', async (t) => {
  await using gpsd = await openGpsd()
  const told: (Position | null)[] = []
  await using _watch = new GpsdWatch({ logger, port: gpsd.port, moved: (position) => told.push(position) })
  t.deepEqual(told, [null])

  const say = async (fix: Fix | null, condition: () => boolean, what: string) =>
    until(() => {
      gpsd.receive(fix)
      return condition()
    }, what)
  await say(MUNICH, () => told.length > 1, 'the place is known')
  const there = told.at(-1)!
  t.true(Math.abs(there.latitude - MUNICH.latitude) < 1e-5)
  t.true(Math.abs(there.longitude - MUNICH.longitude) < 1e-5)
  t.true(Math.abs((there.speed_mps ?? 0) - 22.4 * 0.514444) < 0.1)

  const before = told.length
  await say(NEARBY, () => told.length > before, 'it moved by a hundred metres')
  t.true(Math.abs(told.at(-1)!.latitude - NEARBY.latitude) < 1e-5)

  await gpsd.stop()
  await until(() => told.at(-1) === null, 'nothing is known')
  await gpsd.start()
  await say(MUNICH, () => told.at(-1) !== null, 'the place is known again')
})

test('who says what is no line is left', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {}).write('x'.repeat(200_000))).listen(
    0,
    '127.0.0.1',
  )
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const told: (Position | null)[] = []
  {
    await using _watch = new GpsdWatch({ logger, port, moved: (position) => told.push(position) })
    const [socket] = await once(server, 'connection')
    await new Promise((left) => socket.once('close', left))
  }
  server.close()
  t.deepEqual(told, [null])
})

const AT = Date.parse('2026-11-30T09:00:00.000Z')
const tpv = (fields: object) => JSON.stringify({ class: 'TPV', time: '2026-11-30T09:00:00.000Z', ...fields })
const place = (fields: Partial<Position> = {}): Position => ({
  ...{ latitude: 48, longitude: 11, altitude_m: null, speed_mps: null, at: AT },
  ...fields,
})

const LINES: readonly (readonly [of: string, line: string, position: Position | null | undefined])[] = [
  ['a place', tpv({ mode: 2, lat: 48, lon: 11 }), place()],
  [
    'a place and a height',
    tpv({ mode: 3, lat: 48, lon: 11, altMSL: 500, speed: 1 }),
    place({ altitude_m: 500, speed_mps: 1 }),
  ],
  ['the height of an older gpsd', tpv({ mode: 3, lat: 48, lon: 11, alt: 500 }), place({ altitude_m: 500 })],
  ['no place', tpv({ mode: 1, lat: 48, lon: 11 }), null],
  ['a place beyond the globe', tpv({ mode: 3, lat: 148, lon: 11 }), undefined],
  ['another report', '{"class":"SKY","satellites":[]}', undefined],
  ['what is no JSON', '{"class":"TPV"', undefined],
  ['what is no object', '12', undefined],
]
for (const [of, line, position] of LINES)
  test(`a line with ${of}`, (t) => t.deepEqual(positionIn(line, AT), position))

const NEWS: readonly (readonly [
  of: string,
  before: Position | null | undefined,
  now: Position | null,
  news: boolean,
])[] = [
  ['nothing after nothing', null, null, false],
  ['nothing at first', undefined, null, true],
  ['a place after nothing', null, place(), true],
  ['the same place at once', place(), place({ at: AT + 1000 }), false],
  ['the same place after a while', place(), place({ at: AT + 30_000 }), true],
  ['nine metres', place(), place({ latitude: 48 + 9 / 111_195 }), false],
  ['eleven metres', place(), place({ latitude: 48 + 11 / 111_195 }), true],
  ['across the date line', place({ longitude: 179.99999 }), place({ longitude: -179.99999 }), false],
]
for (const [of, before, now, news] of NEWS) test(`news: ${of}`, (t) => t.is(isNews(before, now), news))
