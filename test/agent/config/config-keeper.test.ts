import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { configHash } from '../../../common/node-config/config-hash.ts'
import { EMPTY_NODE_CONFIG, nodeConfigSchema } from '../../../common/wire/node-config.ts'
import { ConfigRig } from './config-rig.ts'

const card = (stream_id: string) => ({ broadcasts: [{ stream_id, source: { kind: 'test-card' } }] })

test('a document is applied whole, with its defaults, and taken up after a restart', async (t) => {
  await using rig = await ConfigRig.make()
  const keeper = await rig.start()
  t.is(keeper.actual, null)
  t.deepEqual(keeper.config, EMPTY_NODE_CONFIG)
  t.deepEqual(await keeper.apply(3, card('cam')), { state: 'done' })
  const config = nodeConfigSchema.parse(card('cam'))
  t.deepEqual(rig.target.now, config)
  t.like(keeper.actual, { version: 3, hash: configHash(config), config })
  t.is((await stat(join(rig.folder, 'config.json'))).mode & 0o777, 0o600)

  const again = await rig.start()
  t.deepEqual(again.config, config)
  t.is(again.actual, null, 'it is not in force before it is taken up')
  await again.resume()
  t.deepEqual(rig.target.now, config)
  t.deepEqual(again.actual, keeper.actual)
})

test('what can not be applied changes nothing, and says why', async (t) => {
  await using rig = await ConfigRig.make()
  const keeper = await rig.start()
  await keeper.apply(1, card('cam'))
  const { actual } = keeper
  const wrong = { broadcasts: [{ stream_id: 'cam', source: { kind: 'tape' }, fps: 900 }], pictures: 1 }
  const invalid = await keeper.apply(2, wrong)
  t.like(invalid, { state: 'refused', code: 'config_invalid' })
  t.is(invalid.state === 'refused' && invalid.details.length, 3, 'every fault at once')

  rig.target.failures.push(new CodedError('gstreamer_missing', 'no GStreamer', { details: ['install it'] }))
  t.deepEqual(await keeper.apply(2, card('other')), {
    state: 'refused',
    code: 'gstreamer_missing',
    reason: 'no GStreamer',
    details: ['install it'],
  })
  rig.target.failures.push(new Error('a fault of our own'))
  t.like(await keeper.apply(2, card('other')), { state: 'refused', code: 'internal' })
  t.deepEqual(keeper.actual, actual)
  const again = await rig.start()
  await again.resume()
  t.deepEqual(again.actual, actual)
  // The version was not used up.
  t.deepEqual(await again.apply(2, card('other')), { state: 'done' })
})

test('versions only go up, and the same one again changes nothing', async (t) => {
  await using rig = await ConfigRig.make()
  const keeper = await rig.start()
  await keeper.apply(5, card('cam'))
  t.deepEqual(await keeper.apply(5, card('cam')), { state: 'done' })
  t.is(rig.target.asked.length, 1)
  t.like(await keeper.apply(5, card('other')), { state: 'refused', code: 'config_conflict' })
  t.like(await keeper.apply(4, card('other')), { state: 'refused', code: 'config_outdated' })
  t.deepEqual(await keeper.apply('local', card('mine')), { state: 'done' })
  t.is(keeper.actual?.version, 'local')
  t.like(await keeper.apply(5, card('cam')), { state: 'refused', code: 'config_conflict' })
  const again = await rig.start()
  await again.resume()
  t.like(
    await again.apply(4, card('cam')),
    { state: 'refused', code: 'config_outdated' },
    'after a restart too',
  )
  t.deepEqual(await again.apply(6, card('cam')), { state: 'done' })
  const elsewhere = await rig.start({ hub: 'https://other.test cam' })
  t.is(elsewhere.config.broadcasts[0]?.stream_id, 'cam')
  t.deepEqual(await elsewhere.apply(1, card('first')), { state: 'done' })
})
