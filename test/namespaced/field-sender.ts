import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as rest } from 'node:timers/promises'
import test from 'ava'
import { OWN_ARCHITECTURE } from '../../tools/package/architectures.ts'
import { Chromium } from '../support/chromium.ts'
import { openCleanRoot } from '../support/clean-root.ts'
import { installDebian } from '../support/debian-agent.ts'
import { letEverybodyWatch } from '../support/everybody-watches.ts'
import { enrolmentOf } from '../support/field-agent.ts'
import { FieldLab } from '../support/field-lab.ts'
import { NodeOperator } from '../support/node-operator.ts'
import { openReleases } from '../support/release-hub.ts'
import { until } from '../support/until.ts'
import { cameraEnvironment, plugCamera, removeCameras } from '../support/v4l2-camera.ts'
import { ViewerRecord } from '../support/viewer-record.ts'
import { untilState } from '../support/watch-page.ts'

/** All that a field sender lives through, in front of a viewer. test/e2e/field-sender.test.ts runs this. */

const NODE = 'van-1'
/** The release that was installed, the next one, and one that ends at once. */
const [FIRST, NEXT, BROKEN] = ['1.0.0', '1.1.0', '1.2.0']
/** A release has a minute to prove itself. */
const PROVED_WITHIN_MS = 110_000
/** Longer than a viewer may be without a picture meanwhile. */
const BROKEN_MS = 8000
/** Longest time without a picture while one of three links is away, ms. */
const LINK_AWAY_MS = 6000
/** The same where nothing of the broadcast changes, ms. */
const NOTHING_CHANGES_MS = 1500
/** The same where its source is away for a moment, or the hub or agent starts anew, ms. */
const BEGINS_ANEW_MS = 30_000

test.after.always(removeCameras)

test.serial('a field sender survives the field, and a viewer saw it all', async (t) => {
  t.timeout(235_000)
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-field-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const packages = process.env['LANECAST_PACKAGES'] ?? ''
  const architecture = OWN_ARCHITECTURE ?? 'amd64'
  const env = await cameraEnvironment()
  using camera = await plugCamera('van', ['mjpeg'])
  await using lab = await FieldLab.open({ dataDir: join(folder, 'data') })
  const enrolment = await enrolmentOf(lab.hub, NODE)
  const releases = await openReleases(lab.hub)
  await letEverybodyWatch(lab.hub)
  const { carrier, uplinks, namespace } = await lab.place()
  await using disk = await openCleanRoot(packages)
  await using root = await disk.inhabit(namespace.enter, [dirname(env['LD_PRELOAD'] ?? '')])
  const deb = `/given/lanecast-agent_${FIRST}_${architecture}.deb`
  await using agent = await installDebian(root, deb, env)
  t.regex(await agent.enrol(enrolment), /is now node van-1 of/)
  agent.start()

  const operator = new NodeOperator(() => lab.hub, NODE)
  const status = () => until(() => agent.status(), 'the agent runs')
  const broadcast = async () => (await status()).broadcasts[0]
  const reaches = (state: string) =>
    until(async () => (await broadcast())?.state === state, `the broadcast is ${state}`, 40_000)
  const applied = async (config: Parameters<NodeOperator['configure']>[0]) => {
    const { state, refusal } = await operator.configure(config)
    t.is(state, 'applied', JSON.stringify(refusal))
  }
  const done = async (command: object) => {
    const { state, outcome } = await operator.command(command)
    t.is(state, 'done', JSON.stringify(outcome))
  }
  const update = async (state: string, version: string) => {
    const { value } = (await operator.report()).update ?? {}
    return value?.state === state && value.version === version
  }
  const runs = async (version: string) => (await operator.report()).agent?.value.version === version
  const linkIs = async (link: string, states: readonly string[], name: string) => {
    let seen: unknown
    const reached = async () => {
      const found = (await broadcast())?.links.find(({ link_id }) => link_id === link)
      seen = found
      return found !== undefined && states.includes(found.state) && found.interface === name
    }
    await until(reached, `${link} by ${name} is ${states.join(' or ')}`).catch((error: unknown) => {
      throw new Error(`${String(error)}; it is ${JSON.stringify(seen)}`)
    })
  }

  const document = {
    uplinks: [...uplinks],
    broadcasts: [
      {
        stream_id: 'cam-1',
        class: 'director' as const,
        on: false,
        renditions: [{ width: 640, height: 360 }],
        source: { kind: 'v4l2' as const, device: camera.device },
      },
    ],
  }
  await until(() => runs(FIRST), 'the hub hears of the device')
  await applied(document)
  t.regex(await agent.call('status'), /van-1/)

  // Between broadcasts, and on trial while the field has its way with it.
  await releases.publish(NEXT, { file: await readFile(join(packages, NEXT)), architecture })
  await done({ do: 'update' })
  await until(() => runs(NEXT), 'the device took the next release', 60_000)
  await done({ do: 'start', stream_id: 'cam-1' })
  await reaches('live')
  await using chromium = await Chromium.launch({ flags: ['--ignore-certificate-errors'] })
  const { page } = await chromium.open(`${lab.hub.url}/watch/cam-1`)
  await untilState(page, 'live')
  const viewer = await ViewerRecord.begin(page)
  /** Steps are taken whatever came of those before. */
  const failures: string[] = []
  const step = async (name: string, mostMs: number, run: () => Promise<void>) => {
    const seen = await viewer.step(name, run).catch((error: unknown) => {
      failures.push(`${name}: ${String(error)}`)
      return null
    })
    if (seen === null) return
    const { ms, pictures, frozenMs } = seen
    t.log(`${name}: ${pictures} pictures in ${ms.toFixed()} ms, frozen for ${frozenMs.toFixed()} ms at most`)
    if (frozenMs > mostMs) failures.push(`${name}: frozen for ${frozenMs.toFixed()} ms`)
  }
  const on = { ...document.broadcasts[0]!, on: true }

  // The release begins its minute anew.
  await step('the device loses its power', BEGINS_ANEW_MS, async () => {
    const ends = agent.ends.length
    agent.kill()
    await until(() => agent.ends.length > ends, 'the agent is gone')
    await reaches('live')
    await until(async () => (await operator.config()).state === 'applied', 'it does what it did')
    t.true((await operator.config()).actual?.config.broadcasts[0]?.on)
  })
  await step('the first link is a black hole', LINK_AWAY_MS, async () => {
    await carrier.setBoth(0, { blackhole: true })
    await linkIs('link-1', ['dead', 'probing'], 'wwan0')
    await rest(BROKEN_MS)
    await carrier.setBoth(0, {})
    await linkIs('link-1', ['carrying', 'marginal', 'idle'], 'wwan0')
  })
  await step('the second modem comes back under another name', LINK_AWAY_MS, async () => {
    await carrier.unplug(1)
    await rest(BROKEN_MS)
    await carrier.plug(1, 'wwan7')
    const renamed = uplinks.map((one) => (one.link_id === 'link-2' ? { ...one, interface: 'wwan7' } : one))
    document.uplinks = renamed
    await applied({ ...document, broadcasts: [on] })
    await linkIs('link-2', ['carrying', 'marginal', 'idle'], 'wwan7')
  })
  await step('the third link is a black hole', LINK_AWAY_MS, async () => {
    await carrier.setBoth(2, { blackhole: true })
    await linkIs('link-3', ['dead', 'probing'], 'wwan2')
    await rest(BROKEN_MS)
    await carrier.setBoth(2, {})
    await linkIs('link-3', ['carrying', 'marginal', 'idle'], 'wwan2')
  })
  await step('the camera is pulled and put in again', BEGINS_ANEW_MS, async () => {
    camera.become('gone')
    camera.plug(false)
    await reaches('no_input')
    t.regex((await broadcast())?.reason ?? '', /there is no/)
    camera.become('ok')
    camera.plug(true)
    await reaches('live')
  })
  await step('a document that the device can not do', NOTHING_CHANGES_MS, async () => {
    const before = await operator.config()
    const away = { kind: 'v4l2' as const, device: '/dev/nothing' }
    const second = { ...on, stream_id: 'cam-2', source: away }
    const { state, refusal, actual } = await operator.configure({ ...document, broadcasts: [on, second] })
    t.is(state, 'refused')
    t.is(refusal?.code, 'config_beyond_device')
    t.regex(refusal?.details.join() ?? '', /there is no \/dev\/nothing/)
    t.is(actual?.hash, before.actual?.hash)
    t.is(await broadcast().then((one) => one?.state), 'live')
  })
  await step('a document that it can do', BEGINS_ANEW_MS, async () => {
    const card = { ...on, source: { kind: 'test-card' as const } }
    await applied({ ...document, broadcasts: [card] })
    await reaches('live')
  })
  const { contract_id } = (await broadcast())!
  await step('the hub loses its power', BEGINS_ANEW_MS, async () => {
    await lab.rebootHub()
    await until(async () => (await status()).online, 'the device is at the hub again')
    t.is((await operator.config()).state, 'applied')
    t.is((await broadcast())?.contract_id, contract_id)
  })
  await untilState(page, 'live')

  await until(() => update('done', NEXT), 'the next release has proved itself', PROVED_WITHIN_MS)
  await done({ do: 'stop', stream_id: 'cam-1' })
  await reaches('off')
  await releases.publish(BROKEN, { file: await readFile(join(packages, BROKEN)), architecture })
  await done({ do: 'update', version: BROKEN })
  await until(() => update('rolled_back', BROKEN), 'the release before is back', 60_000)
  t.true(await runs(NEXT))
  t.is((await operator.config()).state, 'applied')
  t.deepEqual(failures, [])
})
