import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { Chromium } from '../support/chromium.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { encoderClip } from '../support/encoder-clip.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { type ImpairedLink, openImpairedLink } from '../support/impaired-link.ts'
import { laneFaults } from '../support/lane-faults.ts'
import { type PublishOptions, RtcPage } from '../support/rtc-page.ts'
import { TestProgram } from '../support/test-program.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

/** Cuts between browsers, with one layer and with three, over good and bad networks, and a field sender. */

/** The widths of each input's pictures: a browser sends smaller ones where its CPU or its network is narrow. */
const WIDTHS: Readonly<Record<string, readonly number[]>> = {
  layered: [240, 480, 960],
  single: [320, 640],
  field: [854],
}
const NAMES = Object.keys(WIDTHS)

let hub: TestHub
let chromium: Chromium
let viewer: string
const links: ImpairedLink[] = []
const resources = new AsyncDisposableStack()

test.before(async () => {
  hub = resources.use(
    await startHub([{ streamId: 'field', links: 1, streamClass: 'record' }], { workers: 1 }),
  )
  chromium = resources.use(await Chromium.launch({ publish: true }))
  viewer = await hub.issueToken({ role: 'viewer' })
})

test.after.always(() => resources.disposeAsync())

async function publish(name: string, options: PublishOptions, loss = 0): Promise<void> {
  const page = resources.use(await RtcPage.open(chromium))
  if (loss > 0)
    await page.page.exposeFunction('through', async (targetPort: number) => {
      const link = resources.use(await openImpairedLink({ targetPort, seed: 3, forward: { loss } }))
      links.push(link)
      return link.port
    })
  const token = await hub.issueToken({ role: 'publisher', subject: name })
  const { status, body } = await page.publish(`${hub.url}/whip/${name}`, token, { codec: 'H264', ...options })
  if (status !== 201) throw new Error(`WHIP: ${status} ${body}`)
}

async function watch(streamId: string): Promise<RtcPage> {
  const page = resources.use(await RtcPage.open(chromium))
  const { status, body } = await page.watch(`${hub.url}/whep/${streamId}`, viewer, { codecs: ['H264'] })
  if (status !== 201) throw new Error(`WHEP: ${status} ${body}`)
  return page
}

/** Resolves when the player shows pictures of this width, and goes on doing so. */
async function shows(player: RtcPage, widths: readonly number[], what: string): Promise<void> {
  const first = await until(
    async () => {
      const media = await player.media()
      return widths.includes(media.width) ? media : null
    },
    what,
    15_000,
  )
  await until(async () => (await player.media()).frames > first.frames + 10, `more of ${what}`, 15_000)
}

test.serial('takes between a simulcast browser, a browser of one layer and a field sender', async (t) => {
  t.timeout(180_000)
  await publish('layered', { simulcast: true })
  await using program = await TestProgram.create(hub, {
    program_id: 'browsers',
    class: 'record',
    inputs: NAMES,
    threshold_ms: 5000,
  })
  await program.takeWhenHealthy('layered')
  await publish('single', {})
  const path = await encoderClip(
    { size: '854x480', fps: 25, gop: 25, profile: 'high', sound: 'aac', seconds: 24 },
    5,
  )
  resources.use(await startClipSender(hub.streams.get('field')!, { path, repeat: true }))
  await program.until(({ sources }) => sources.every(({ state }) => state === 'healthy'), 'all are healthy')
  const player = await watch(program.id)
  await using werift = await WeriftViewer.open(hub.url, program.id, { token: viewer })
  const { packets } = await werift.track('video')
  await shows(player, WIDTHS.layered!, 'layered')
  for (const name of ['single', 'layered', 'field', 'single', 'field', 'layered', 'single']) {
    await program.take(name)
    await shows(player, WIDTHS[name]!, name)
    await delay(500)
  }
  t.deepEqual(laneFaults(packets, 'video', { clockMs: 3000, holes: 7 }), [])
})

test.serial('a browser that loses packets', async (t) => {
  t.timeout(120_000)
  await publish('steady', {})
  await publish('lossy', {}, 0.05)
  await using program = await TestProgram.create(hub, {
    program_id: 'losses',
    class: 'record',
    inputs: ['steady', 'lossy'],
    threshold_ms: 5000,
  })
  await program.takeWhenHealthy('steady')
  await program.until(({ sources }) => sources.every(({ state }) => state === 'healthy'), 'both are healthy')
  const player = await watch(program.id)
  for (let turn = 0; turn < 4; turn += 1)
    for (const name of ['lossy', 'steady']) {
      await program.take(name)
      const { frames } = await player.media()
      await until(async () => (await player.media()).frames > frames + 20, `pictures of ${name}`, 15_000)
    }
  t.true((await links[0]!.counters()).forward.dropped > 0, 'packets were lost')
})
