import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { configHash } from '../../../common/node-config/config-hash.ts'
import { EMPTY_NODE_CONFIG, nodeConfigSchema, SECRET_MASK } from '../../../common/wire/node-config.ts'
import { until } from '../../support/until.ts'
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

test('where the disk fails at the last moment, device and disk go back to the document before', async (t) => {
  await using rig = await ConfigRig.make()
  const keeper = await rig.start()
  await keeper.apply(1, card('cam'))
  // No file can take the place of a folder that is not empty.
  await mkdir(join(rig.folder, 'config.previous.json', 'full'), { recursive: true })
  t.like(await keeper.apply(2, card('other')), { state: 'refused', code: 'config_unsaved' })
  t.deepEqual(
    rig.target.asked.map(({ broadcasts }) => broadcasts[0]?.stream_id),
    ['cam', 'other', 'cam'],
  )
  t.is(keeper.actual?.version, 1)
  t.is((await rig.start()).config.broadcasts[0]?.stream_id, 'cam')
})

test('a target that fails by its own fault is set back, and set back again until it holds', async (t) => {
  await using rig = await ConfigRig.make()
  const keeper = await rig.start()
  await keeper.apply(1, card('cam'))
  rig.target.failures.push(new Error('half done'), new CodedError('gstreamer_failed', 'not now either'))
  t.like(await keeper.apply(2, card('other')), { state: 'refused', code: 'internal' })
  t.is(keeper.actual, null, 'nobody knows what it does')
  await until(() => keeper.actual?.version === 1, 'the document before holds again')
  t.is(rig.target.now.broadcasts[0]?.stream_id, 'cam')
})

test('a saved document that can not be taken up is tried again, until another comes', async (t) => {
  await using rig = await ConfigRig.make()
  await (await rig.start()).apply(1, card('cam'))
  const keeper = await rig.start()
  const failure = new CodedError('rist_library_missing', 'no librist')
  rig.target.failures.push(failure)
  await keeper.resume()
  t.is(keeper.actual, null)
  t.is(keeper.config.broadcasts.length, 1)
  // The hub sends it again at its welcome: that is a try too, and says why it fails.
  rig.target.failures.push(failure)
  t.like(await keeper.apply(1, card('cam')), { state: 'refused', code: 'rist_library_missing' })
  t.deepEqual(await keeper.apply(1, card('cam')), { state: 'done' })
  t.is(keeper.actual?.version, 1)
  const tries = rig.target.asked.length
  await setTimeout(1200)
  t.is(rig.target.asked.length, tries, 'nothing is tried once a document holds')
})

test('documents wait for each other, a few of them', async (t) => {
  await using rig = await ConfigRig.make()
  const keeper = await rig.start()
  const { promise, resolve } = Promise.withResolvers<void>()
  rig.target.gate = promise
  const all = [1, 2, 3, 4, 5, 6].map((version) => keeper.apply(version, card(`cam-${version}`)))
  t.like(await all[5], { state: 'refused', code: 'config_busy' })
  resolve()
  const outcomes = await Promise.all(all)
  t.deepEqual(
    outcomes.map(({ state }) => state),
    ['done', 'done', 'done', 'done', 'refused', 'refused'],
  )
  t.deepEqual(
    rig.target.asked.map(({ broadcasts }) => broadcasts[0]?.stream_id),
    ['cam-1', 'cam-2', 'cam-3', 'cam-4'],
  )
  await keeper[Symbol.asyncDispose]()
  t.like(await keeper.apply(7, {}), { state: 'refused', code: 'draining' })
})

test('passwords are kept on the device and shown to nobody', async (t) => {
  await using rig = await ConfigRig.make()
  const keeper = await rig.start()
  const url = 'rtsp://10.0.0.7/live'
  const camera = (source: object) => ({
    broadcasts: [{ stream_id: 'cam', source: { kind: 'rtsp', url, username: 'root', ...source } }],
  })
  await keeper.apply(1, camera({ password: 'open sesame' }))
  t.notRegex(JSON.stringify(keeper.actual), /open sesame/)
  t.is(keeper.actual?.hash, configHash(keeper.actual!.config), 'the hash is of what is shown')
  const shown = { ...keeper.actual!.config, backlog_mb: 7 }
  t.deepEqual(await keeper.apply(2, shown), { state: 'done' })
  t.like(rig.target.now.broadcasts[0]?.source, { password: 'open sesame' })
  const elsewhere = await keeper.apply(3, camera({ url: 'rtsp://evil.test/live', password: SECRET_MASK }))
  t.like(elsewhere, { state: 'refused', code: 'config_beyond_device' })
  t.like(await keeper.apply(3, camera({ password: 5 })), { state: 'refused', code: 'config_invalid' })
  t.notRegex(rig.lines.join(), /open sesame/)
})
