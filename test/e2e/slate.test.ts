import test from 'ava'
import type { Page } from 'playwright-core'
import { DEFAULT_ACL } from '../../policy/default-acl.ts'
import { fourColours, PNG } from '../server/slates/picture-files.ts'
import { Chromium } from '../support/chromium.ts'
import { type ClipSender, startClipSender } from '../support/clip-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { until } from '../support/until.ts'
import { untilState } from '../support/watch-page.ts'

interface Seen {
  readonly width: number
  readonly height: number
  /** Share of bright pixels. */
  readonly bright: number
  /** Brightness of the corners, 0 to 255. */
  readonly corners: readonly number[]
  /** Of the middles of the upper quarters: red, green and blue. */
  readonly upper: readonly (readonly number[])[]
}

/** What the page's `<video>` shows now. */
const seen = (page: Page): Promise<Seen> =>
  page.evaluate(() => {
    const video = document.querySelector('video')!
    const [width, height] = [video.videoWidth, video.videoHeight]
    const context = new OffscreenCanvas(Math.max(1, width), Math.max(1, height)).getContext('2d')!
    context.drawImage(video, 0, 0)
    const { data } = context.getImageData(0, 0, Math.max(1, width), Math.max(1, height))
    const at = (x: number, y: number) => {
      const from = (Math.floor(y * (height - 1)) * width + Math.floor(x * (width - 1))) * 4
      return Array.from(data.subarray(from, from + 3))
    }
    const light = ([red = 0, green = 0, blue = 0]: readonly number[]) => (red + green + blue) / 3
    let bright = 0
    for (let from = 0; from < data.length; from += 4)
      if (data[from]! > 150 && data[from + 1]! > 150 && data[from + 2]! > 150) bright += 1
    const corners = [0, 1].flatMap((y) => [0, 1].map((x) => light(at(x, y))))
    return {
      width,
      height,
      corners,
      bright: bright / (width * height),
      upper: [at(0.25, 0.25), at(0.75, 0.25)],
    }
  })

/** Our own slate: letters on something dark. */
const isOurs = ({ bright, corners }: Seen) =>
  bright > 0.005 && bright < 0.2 && corners.every((one) => one < 45)
const isRedAndGreen = ({ upper: [left = [], right = []] }: Seen) =>
  left[0]! > 150 && left[1]! < 90 && right[1]! > 150 && right[0]! < 90

/** A program that everybody may watch, and the sender of its only input. */
async function sendProgram(hub: TestHub): Promise<ClipSender> {
  await hub.putPolicy({
    acl: [
      ...DEFAULT_ACL,
      { effect: 'allow', subjects: ['anonymous'], actions: ['subscribe', 'stream.read'], streams: ['*'] },
    ],
  })
  const path = await generateMedia('baseline', { seconds: 60, kbps: 400, size: '640x360' })
  const sender = await startClipSender(hub.streams.get('cam-1')!, { path, repeat: true })
  const { status, body } = await hub.api('POST', '/v1/programs', {
    program_id: 'main',
    inputs: ['cam-1'],
    auto: true,
  })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return sender
}

const upload = async (hub: TestHub) =>
  await fetch(`${hub.url}/v1/slate?tenant_id=default`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${hub.adminToken}`, 'content-type': 'image/png' },
    body: new Uint8Array(await fourColours('', PNG, { width: 640, height: 360 })),
  })

test.serial(
  'a stream without input shows its slate in the page, which leaves it alone, until the input is back',
  async (t) => {
    t.timeout(120_000)
    await using hub = await startHub([{ streamId: 'cam-1' }], { workers: 1 })
    await using sender = await sendProgram(hub)

    await using chromium = await Chromium.launch()
    await using watched = await chromium.open(`${hub.url}/watch/main`)
    const { page } = watched
    await untilState(page, 'live')
    await until(async () => !isOurs(await seen(page)), 'the clip')

    process.kill(sender.pid, 'SIGSTOP')
    await untilState(page, 'input_lost')
    await until(async () => isOurs(await seen(page)), 'our slate')
    t.like(await seen(page), { width: 640, height: 360 })
    const notices = page.getByTestId('notice')
    await until(async () => (await notices.count()) === 0, 'nothing covers the slate')

    t.is((await upload(hub)).status, 200)
    await until(async () => isRedAndGreen(await seen(page)), "the tenant's picture")
    await page.waitForTimeout(1500)
    t.true(isRedAndGreen(await seen(page)), 'it stays')
    t.is(await notices.count(), 0)

    await using late = await chromium.open(`${hub.url}/watch/main`)
    await untilState(late.page, 'input_lost')
    await until(async () => isRedAndGreen(await seen(late.page)), 'who comes now sees the slate, too')
    await until(async () => (await late.page.getByTestId('notice').count()) === 0, 'and nothing over it')

    process.kill(sender.pid, 'SIGCONT')
    for (const each of [page, late.page]) {
      await untilState(each, 'live')
      await until(async () => !isRedAndGreen(await seen(each)), 'the clip again')
    }
    t.deepEqual([...watched.errors, ...late.errors], [])
    t.is(await hub.metric('errors_total{stage="slate",kind="failed"}'), 0)
    t.is(await hub.metric('errors_total{stage="slate",kind="absent"}'), 0)
  },
)

test.serial('a hub without ffmpeg runs, and its slates have the words', async (t) => {
  t.timeout(120_000)
  await using hub = await startHub([{ streamId: 'cam-1' }], { workers: 1, env: { PATH: '/nowhere' } })
  await using sender = await sendProgram(hub)
  await using chromium = await Chromium.launch()
  await using watched = await chromium.open(`${hub.url}/watch/main`)
  const { page } = watched
  await untilState(page, 'live')
  process.kill(sender.pid, 'SIGSTOP')
  await untilState(page, 'input_lost')
  await until(async () => isOurs(await seen(page)), 'a plain slate')
  t.like(await seen(page), { width: 640, height: 360 })
  await until(async () => (await page.getByTestId('notice').count()) === 0, 'nothing covers it')
  t.is(await hub.metric('errors_total{stage="slate",kind="absent"}'), 1)
  const refused = await upload(hub)
  t.is(refused.status, 503)
  t.like(await refused.json(), { error: { code: 'slates_unavailable', resource: 'ffmpeg' } })
  process.kill(sender.pid, 'SIGCONT')
  await untilState(page, 'live')
  t.deepEqual(watched.errors, [])
})
