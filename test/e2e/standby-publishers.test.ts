import test from 'ava'
import type { Page } from 'playwright-core'
import { z } from 'zod'
import { streamSummarySchema } from '../../common/wire/flows-api.ts'
import { Chromium } from '../support/chromium.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { RtcPage } from '../support/rtc-page.ts'
import { until } from '../support/until.ts'
import { textOf, untilState, useToken } from '../support/watch-page.ts'

/** Publishers over WebRTC of streams with several inputs: they send H.264, whatever they would send elsewhere. */

let hub: TestHub
let chromium: Chromium
let token: string

test.before(async () => {
  hub = await startHub([], { workers: 1 })
  chromium = await Chromium.launch({ publish: true })
  token = await hub.issueToken({ role: 'publisher', subject: 'pat' })
})

test.after.always(async () => {
  await chromium?.[Symbol.asyncDispose]()
  await hub?.[Symbol.asyncDispose]()
})

async function openStudio(address: string) {
  const opened = await chromium.open(`${hub.url}/publish/${address}`)
  const { page } = opened
  await page.getByTestId('codec').selectOption('vp8')
  await page.getByTestId('height').selectOption('360')
  await page.waitForSelector('[data-testid=go-live]:enabled')
  await page.getByTestId('go-live').click()
  await useToken(page, token)
  return opened
}

const sends = (page: Page, codec: RegExp) =>
  until(async () => codec.test(await textOf(page, 'video-rate')), `the page sends ${codec}`, 20_000)

const onAir = async (streamId: string) => {
  const { body } = await hub.api('GET', `/v1/streams/${streamId}`)
  return streamSummarySchema.parse(body).switched?.on_air
}

test.serial(
  'the page of an input sends H.264, whatever was chosen, and viewers of the stream see it',
  async (t) => {
    await using studio = await openStudio('cam1?input=standby:2')
    await untilState(studio.page, 'live')
    await sends(studio.page, /h264/i)
    await until(async () => (await onAir('cam1')) === 'cam1.standby-2', 'the page is on air', 20_000)
    await using watcher = await chromium.open(`${hub.url}/watch/cam1`)
    await useToken(watcher.page, await hub.issueToken({ role: 'viewer' }))
    await untilState(watcher.page, 'live')
    t.is(await hub.metric('rejected_total{reason="codec_not_supported"}'), 0)
  },
)

test.serial('a stream that a program takes is sent in H.264 from then on', async (t) => {
  t.timeout(60_000)
  await using studio = await openStudio('cam2')
  await untilState(studio.page, 'live')
  await sends(studio.page, /vp8/i)
  const made = await hub.api('POST', '/v1/programs', { program_id: 'main', inputs: ['cam2'], auto: true })
  t.is(made.status, 201, JSON.stringify(made.body))
  await sends(studio.page, /h264/i)
  await until(async () => (await onAir('main')) === 'cam2', 'the program shows it', 20_000)
})

test.serial('WHIP takes the H.264 of an offer, and refuses an offer without', async (t) => {
  await using source = await RtcPage.open(chromium)
  const url = `${hub.url}/whip/cam3?input=primary`
  const refused = await source.publish(url, token, { codec: 'VP8' })
  t.is(refused.status, 406)
  t.like(z.looseObject({ error: z.looseObject({}) }).parse(JSON.parse(refused.body)), {
    error: { code: 'no_common_codec' },
  })
  t.regex(refused.body, /inputs of a switched stream are H\.264/)
  t.is((await hub.api('GET', '/v1/streams/cam3')).status, 404, 'nothing is left of it')
  const made = await source.publish(url, token, {})
  t.is(made.status, 201)
  await until(async () => (await onAir('cam3')) === 'cam3.primary', 'it is on air', 20_000)
})
