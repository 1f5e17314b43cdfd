import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import anyTest, { type TestFn } from 'ava'
import { type ReleaseHub, startReleaseHub } from '../../support/release-hub.ts'
import { newSigner, signedKeys } from '../../support/release-signer.ts'
import { until } from '../../support/until.ts'
import { openDevice } from './update-rig.ts'

const test = anyTest as TestFn<ReleaseHub>
let count = 0

test.before(async (t) => {
  t.timeout(60_000)
  t.context = await startReleaseHub()
})
test.after.always((t) => t.context[Symbol.asyncDispose]?.())

/** A new device. Tests run one after the other: each publishes a newer release than the one before. */
async function deviceOf(hub: ReleaseHub) {
  count += 1
  return openDevice(await hub.enrol(`box-${count}`))
}

test.serial(
  'a device takes an offered release between broadcasts, tries it for its time, and keeps it',
  async (t) => {
    const hub = t.context
    await using device = await deviceOf(hub)
    await hub.publish('1.1.0', { ballast: 700_000 })
    const updates = await device.run('1.0.0')
    device.onAir = true
    updates.offered()
    await device.reached('downloading')
    device.onAir = false
    // Again on air before all is here: it waits.
    await until(() => device.states.some(({ percent }) => (percent ?? 0) > 30), 'much is downloaded')
    device.onAir = true
    const ready = await device.reached('ready')
    t.is(ready.version, '1.1.0')
    t.is(await device.current(), null)
    updates.broadcastsChanged()
    t.is(updates.state.state, 'ready', 'it is on air still')
    device.onAir = false
    updates.broadcastsChanged()
    await device.restarted()
    t.is(await readFile(join(device.folder, 'releases/trial'), 'utf8'), '1.1.0 0\n')
    t.deepEqual(await readdir(join(device.folder, 'downloads')), [])

    const tried = await device.run('1.1.0', { trial: true })
    t.is(tried.state.state, 'trial')
    t.like(await tried.order({ downgrade: false }), { state: 'refused', code: 'update_refused' })
    t.like(await device.reached('done'), { version: '1.1.0', reason: null })
    t.is(await device.current(), '1.1.0')
    t.deepEqual((await readdir(join(device.folder, 'releases'))).sort(), ['1.1.0', 'current'])

    // What runs is not taken again, and how it went is told after a restart, too.
    const later = await device.run('1.1.0')
    later.offered()
    t.deepEqual(await later.order({ version: '1.1.0', downgrade: false }), {
      state: 'done',
      detail: '1.1.0 runs already',
    })
    t.is(later.state.state, 'done')
  },
)

test.serial('a release that is not healthy is rolled back, and comes again only by an order', async (t) => {
  const hub = t.context
  await using device = await deviceOf(hub)
  await hub.publish('1.2.0')
  const updates = await device.run('1.1.0')
  updates.offered()
  await device.restarted()
  device.fault = 'the hub is not reached'
  await device.run('1.2.0', { trial: true })
  await device.restarted()
  t.is(await device.current(), null)
  const back = await device.run('1.1.0')
  t.like(back.state, { state: 'rolled_back', version: '1.2.0', reason: 'the hub is not reached' })
  back.offered()
  t.like(await back.order({ downgrade: false }), { code: 'update_none' })
  t.is(back.state.state, 'rolled_back')
  // An uplink that comes back in the time of grace saves it.
  t.like(await back.order({ version: '1.2.0', downgrade: false }), { state: 'done' })
  await device.restarted()
  await device.run('1.2.0', { trial: true })
  setTimeout(() => {
    device.fault = null
  }, 300)
  await device.reached('done')
  t.is(await device.current(), '1.2.0')
})

test.serial('a release that the launcher rolled back is told, and not taken again', async (t) => {
  await using device = await deviceOf(t.context)
  const updates = await device.run('1.1.0')
  updates.offered()
  await device.restarted()
  await writeFile(join(device.folder, 'releases/failed'), '1.2.0 3\n')
  const back = await device.run('1.1.0')
  t.like(back.state, { state: 'rolled_back', version: '1.2.0' })
  t.regex(back.state.reason ?? '', /ended three times/)
  t.like(await back.order({ downgrade: false }), { code: 'update_none' })
})

test.serial('nobody goes back without an order, and by one to an older release too', async (t) => {
  const hub = t.context
  await using device = await deviceOf(hub)
  const updates = await device.run('3.0.0')
  updates.offered()
  t.like(await updates.order({ downgrade: true }), { code: 'update_none' })
  const refused = await updates.order({ version: '1.1.0', downgrade: false })
  t.like(refused, { state: 'refused', code: 'update_refused' })
  t.regex('reason' in refused ? refused.reason : '', /older than 3\.0\.0/)
  t.like(await updates.order({ version: '1.1.0', downgrade: true }), { state: 'done' })
  await device.restarted()
  t.is(await readFile(join(device.folder, 'releases/trial'), 'utf8'), '1.1.0 0\n')
})

test.serial('what is not to be believed or not for the device is refused, with the reason', async (t) => {
  const hub = t.context
  await using device = await deviceOf(hub)
  const other = newSigner()
  const foreign = { ...device.identity, release_keys: { serial: 1, keys: [other.key, newSigner().key] } }
  await using stranger = await openDevice(foreign)
  const distrusts = await stranger.run('1.0.0')
  distrusts.offered()
  t.regex((await stranger.reached('refused')).reason ?? '', /signature/)
  t.like(await distrusts.order({ downgrade: false }), { code: 'release_untrusted' })

  await using keyless = await openDevice({ ...device.identity, release_keys: null })
  const knowsNobody = await keyless.run('1.0.0')
  t.like(await knowsNobody.order({ downgrade: false }), { code: 'release_untrusted' })

  await hub.publish('1.3.0', { architecture: 'arm64' })
  const updates = await device.run('1.2.0')
  t.like(await updates.order({ version: '1.3.0', downgrade: false }), { code: 'update_none' })
  t.like(await updates.order({ version: '9.9.9', downgrade: false }), { code: 'update_none' })
  device.auto = false
  await hub.publish('1.4.0')
  updates.offered()
  t.is(updates.state.state, 'idle', 'the configuration says no')
  t.deepEqual(device.states, [])
})

test.serial('a halted release is not swapped to, though it waits', async (t) => {
  const hub = t.context
  await using device = await deviceOf(hub)
  await hub.publish('1.5.0')
  device.onAir = true
  const updates = await device.run('1.4.0')
  updates.offered()
  await device.reached('ready')
  await hub.rollOut('1.5.0', { percent: 100, halted: true })
  device.onAir = false
  updates.broadcastsChanged()
  await device.reached('idle')
  t.is(await readFile(join(device.folder, 'releases/trial'), 'utf8').catch(() => null), null)
  await hub.rollOut('1.5.0', { percent: 100 })
  updates.offered()
  await device.restarted()
})

test.serial('a download goes on where it ended, and a damaged file is not taken', async (t) => {
  const hub = t.context
  await using device = await deviceOf(hub)
  await hub.publish('1.6.0', { ballast: 2_500_000 })
  device.onAir = true
  const first = await device.run('1.5.0')
  first.offered()
  const downloads = join(device.folder, 'downloads')
  const sizeOfPart = async () => {
    const [part] = await readdir(downloads).catch(() => [])
    return part === undefined ? 0 : (await stat(join(downloads, part))).size
  }
  await until(sizeOfPart, 'a part is downloaded')
  // The power goes.
  const second = await device.run('1.5.0')
  const [name = ''] = await readdir(downloads)
  const before = (await stat(join(downloads, name))).size
  t.true(before > 0)
  const partial = await readFile(join(downloads, name))
  const file = join(hub.files, '1.6.0/lanecast-agent_amd64.tar.zst')
  const whole = await readFile(file)
  t.is(partial.compare(whole.subarray(0, before)), 0)
  // From now on the hub's disk lies about what is yet to come.
  const changed = Buffer.from(whole)
  changed[before + 10]! ^= 1
  await writeFile(file, changed)
  device.onAir = false
  second.offered()
  t.regex((await device.reached('failed')).reason ?? '', /not the one that was signed/)
  t.deepEqual(await readdir(downloads), [])
  t.deepEqual(await readdir(join(device.folder, 'releases')), [])
  await writeFile(file, whole)
  second.offered()
  await device.restarted()
})

test.serial('a device follows changes of the keys that two of them signed', async (t) => {
  const hub = t.context
  await using device = await deviceOf(hub)
  const [alice, bob] = hub.signers
  const carol = newSigner()
  const changes = [signedKeys(2, [alice, bob, carol], hub.signers), signedKeys(3, [bob, carol], [bob, alice])]
  for (const change of changes) t.is((await hub.hub.api('PUT', '/v1/release-keys', change)).status, 200)
  await hub.publish('1.7.0', { signers: [carol] })
  const updates = await device.run('1.6.0')
  updates.offered()
  await device.restarted()
  // The keys outlive a restart; a new enrolment begins with those that it pinned.
  const saved = JSON.parse(await readFile(join(device.folder, 'update.json'), 'utf8'))
  t.deepEqual(saved.keys, { serial: 3, keys: [bob.key, carol.key] })
  t.is((await hub.enrol('late')).release_keys?.serial, 3)
})
