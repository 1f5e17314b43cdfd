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

/** An installed field sender goes live and loses links, in front of a viewer. test/e2e/field-sender.test.ts runs this. */

const NODE = 'van-1'
/** The release that was installed, and the next one. */
const [FIRST, NEXT] = ['1.0.0', '1.1.0']
const BROKEN_MS = 3000
/** Longest time without a picture while one of three links is away, ms. */
const LINK_AWAY_MS = 2000

test.after.always(removeCameras)

test.serial('an installed field sender goes live by its hub, and a viewer sees no link fail', async (t) => {
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
        class: 'focus' as const,
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
  await untilState(page, 'live')
  t.deepEqual(failures, [])
})
