import test from 'ava'
import { Broadcasts } from '../../../agent/daemon/broadcasts.ts'
import { HubClock } from '../../../agent/node/hub-clock.ts'
import { createLogger } from '../../../common/logger.ts'
import { type NodeConfig, nodeConfigSchema } from '../../../common/wire/node-config.ts'
import { until } from '../../support/until.ts'

/** Configurations as a whole or not at all, with real encoders. The hub is away, which hinders none of this. */

const configOf = (...broadcasts: object[]): NodeConfig =>
  nodeConfigSchema.parse({
    broadcasts: broadcasts.map((one) => ({ source: { kind: 'test-card' }, sound: null, ...one })),
  })
const SMALL = { renditions: [{ width: 320, height: 180 }] }
const TWO = {
  renditions: [
    { width: 160, height: 90 },
    { width: 320, height: 180 },
  ],
}

/** A place where GStreamer finds no elements, for encoders that start from now on. */
const WITHOUT = { GST_PLUGIN_SYSTEM_PATH_1_0: '/nonexistent', GST_REGISTRY_1_0: '/nonexistent/registry' }

function openBroadcasts(): Broadcasts {
  return new Broadcasts({
    hub: {
      hubUrl: 'https://127.0.0.1:9',
      identity: () => ({ authorities: [] }),
      clock: new HubClock(),
    },
    routes: { use: () => Promise.resolve(), release: () => {}, links: () => {}, interfaceOf: () => null },
    // Class director keeps nothing for later.
    backlog: {
      recorder: () => {
        throw new Error('nothing is kept')
      },
      mbOf: () => 0,
    },
    introduced: Promise.resolve(),
    report: () => ({}),
    logger: createLogger('silent'),
    changed: () => {},
  })
}

test('a configuration whose encoder fails leaves everything as it was', async (t) => {
  t.timeout(60_000)
  await using broadcasts = openBroadcasts()
  await broadcasts.configure(
    configOf({ stream_id: 'cam1', ...SMALL }, { stream_id: 'cam2', ...SMALL, on: false }),
  )
  const shown = () => broadcasts.status().map(({ stream_id, encoder }) => [stream_id, encoder])
  t.deepEqual(shown(), [
    ['cam1', 'x264enc'],
    ['cam2', null],
  ])
  const restarts = () => broadcasts.status()[0]!.encoder_restarts
  // What needs no other encoder replaces none.
  await broadcasts.configure(configOf({ stream_id: 'cam1', ...SMALL, kbps: { min: 300, max: 900 } }))
  t.is(restarts(), 0)

  Object.assign(process.env, WITHOUT)
  t.teardown(() => {
    for (const name of Object.keys(WITHOUT)) delete process.env[name]
  })
  const refused = broadcasts.configure(
    configOf({ stream_id: 'cam1', ...SMALL, kbps: { min: 300, max: 900 } }, { stream_id: 'cam3', ...TWO }),
  )
  const error = await t.throwsAsync(refused, { code: 'broadcast_failed' })
  t.regex(error?.message ?? '', /cam3 can not be encoded: /)
  t.deepEqual(shown(), [['cam1', 'x264enc']])
  t.is(restarts(), 0, 'what did not change has not noticed')

  await t.throwsAsync(broadcasts.configure(configOf({ stream_id: 'cam1', ...TWO })), {
    code: 'broadcast_failed',
  })
  t.is(broadcasts.status()[0]!.renditions.length, 1)
  for (const name of Object.keys(WITHOUT)) delete process.env[name]
  await until(() => broadcasts.status()[0]?.encoder === 'x264enc', 'the encoder of before is back')
  // In turn, and the next one holds.
  await broadcasts.configure(configOf({ stream_id: 'cam1', ...TWO }))
  t.is(broadcasts.status()[0]!.renditions.length, 2)
  t.throws(() => broadcasts.keyframe('cam9'), { code: 'broadcast_unknown' })
})

test('after a start what can not be is told, and what can be runs', async (t) => {
  await using broadcasts = openBroadcasts()
  const config = configOf({ stream_id: 'cam1', ...SMALL })
  await broadcasts.resume({
    ...config,
    broadcasts: [...config.broadcasts, { ...config.broadcasts[0]!, stream_id: 'cam2', encoder: 'never' }],
  })
  await until(() => broadcasts.status()[0]?.encoder === 'x264enc', 'cam1 is encoded')
  const [, second] = broadcasts.status()
  t.is(second?.stream_id, 'cam2')
  t.true(second?.state === 'failed' || second?.state === 'no_input' || second?.state === 'starting')
})
