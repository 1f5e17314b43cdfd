import test from 'ava'
import type { Page } from 'playwright-core'
import { z } from 'zod'
import { viewerSummarySchema } from '../../common/wire/flows-api.ts'
import { Chromium } from '../support/chromium.ts'
import { sendCard } from '../support/field-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { until } from '../support/until.ts'
import { textOf, untilPicturesMove, untilState, useToken } from '../support/watch-page.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

/** Media flows to viewers by their contracts: asked for, renewed, expired, revoked. */

/** The shortest life a policy may give a contract, s. */
const LIFE_S = 10
/** Media must stop this soon after a contract's end, ms. */
const STOPS_WITHIN_MS = 2_000

const viewersOf = async (hub: TestHub) =>
  z.object({ viewers: z.array(viewerSummarySchema) }).parse((await hub.api('GET', '/v1/viewers')).body)
    .viewers

/** In the page: counts pictures, and keeps every state there was and the longest wait for a picture, ms. */
const watchClosely = (page: Page) =>
  page.evaluate(() => {
    const seen = { states: [document.documentElement.dataset.state], longestMs: 0, pictures: 0 }
    Object.assign(globalThis, { seen })
    new MutationObserver(() => {
      const { state } = document.documentElement.dataset
      if (state !== seen.states.at(-1)) seen.states.push(state)
    }).observe(document.documentElement, { attributes: true, attributeFilter: ['data-state'] })
    let last: number | null = null
    const count: VideoFrameRequestCallback = (now) => {
      if (last !== null) seen.longestMs = Math.max(seen.longestMs, now - last)
      last = now
      seen.pictures++
      document.querySelector('video')?.requestVideoFrameCallback(count)
    }
    document.querySelector('video')?.requestVideoFrameCallback(count)
  })
const seenSchema = z.object({ states: z.array(z.string()), longestMs: z.number(), pictures: z.number() })
/** The track on the screen: another track would mean that media was negotiated again. */
const trackOn = (page: Page) =>
  page.evaluate(() => {
    const { srcObject } = document.querySelector('video') ?? {}
    return srcObject instanceof MediaStream ? srcObject.getVideoTracks().map(({ id }) => id) : []
  })
const seenOn = async (page: Page) => seenSchema.parse(await page.evaluate('seen'))

test('a page outlives its contracts without a break, and is told when one is revoked', async (t) => {
  t.timeout(120_000)
  await using hub = await startHub([{ streamId: 'cam-1' }])
  await hub.putPolicy({ limits: { contract_seconds: LIFE_S } })
  await using _sender = await sendCard(hub.streams.get('cam-1')!)
  await using chromium = await Chromium.launch()
  await using watched = await chromium.open(`${hub.url}/watch/cam-1`)
  const { page } = watched
  await untilState(page, 'live')
  await untilPicturesMove(page)
  await watchClosely(page)
  const tracks = await trackOn(page)
  t.is(tracks.length, 1)

  const contracts = new Set<string>()
  await until(
    async () => {
      const viewers = await viewersOf(hub)
      for (const { contract_id, connected } of viewers) if (connected) contracts.add(contract_id)
      return contracts.size === 3 && viewers.length === 1
    },
    'the third contract',
    30_000,
  )
  const { states, longestMs, pictures } = await seenOn(page)
  t.log(`${pictures} pictures, the longest wait for one was ${Math.round(longestMs)} ms`)
  t.deepEqual(states, ['live'])
  t.deepEqual(await trackOn(page), tracks)
  t.deepEqual(watched.errors, [])

  const [viewer] = await viewersOf(hub)
  t.is((await hub.api('DELETE', `/v1/viewers/${viewer!.contract_id}`)).status, 204)
  await untilState(page, 'revoked')
  t.regex(await textOf(page, 'notice'), /Your access has ended/)
  await page.getByTestId('retry').click()
  await untilState(page, 'live')
  await untilPicturesMove(page)
})

test('a stream that is not open to everybody takes a token, which stays in the tab', async (t) => {
  t.timeout(120_000)
  await using hub = await startHub([{ streamId: 'closed', public: false }])
  await using chromium = await Chromium.launch()
  await using watched = await chromium.open(`${hub.url}/watch/closed`)
  const { page } = watched
  await untilState(page, 'denied')
  await useToken(page, 'no token')
  t.regex(await textOf(page, 'token-form'), /does not look like a token/)
  await useToken(page, `${hub.adminToken}x`)
  await until(
    async () => /mistyped, expired or revoked/.test(await textOf(page, 'notice-detail')),
    'it is refused',
  )
  const elsewhere = { streams: ['other-*'], actions: ['*'] }
  await useToken(page, await hub.issueToken({ role: 'viewer', subject: 'eve', grants: elsewhere }))
  await until(
    async () => /token grants/.test(await textOf(page, 'notice-detail')),
    'the rule that denied is named',
  )
  await useToken(page, `Bearer ${await hub.issueToken({ role: 'viewer' })}`)
  await untilState(page, 'waiting')
  await page.reload()
  await untilState(page, 'waiting')
  t.is(page.url(), `${hub.url}/watch/closed`)

  // The list of the same tab has it too; another tab's has not.
  await page.goto(hub.url)
  await until(async () => (await page.getByTestId('stream-closed').count()) === 1, 'the stream is listed')
  await using other = await chromium.open(hub.url)
  await until(async () => /No streams yet/.test(await textOf(other.page, 'summary')), 'nothing for others')
  await page.locator('summary').click()
  await page.getByTestId('forget-token').click()
  await until(async () => (await page.getByTestId('stream-closed').count()) === 0, 'the stream is gone')
})

test('media stops when a contract expires or is revoked, and the ticket is worth nothing', async (t) => {
  t.timeout(120_000)
  await using hub = await startHub([{ streamId: 'cam-1' }])
  await using _sender = await sendCard(hub.streams.get('cam-1')!)
  await using revoked = await WeriftViewer.open(hub.url, 'cam-1')
  await hub.putPolicy({ limits: { contract_seconds: LIFE_S } })
  await using expiring = await WeriftViewer.open(hub.url, 'cam-1')
  const video = await expiring.track('video')
  const stopped = await revoked.track('video')

  const revokedAt = performance.now()
  await hub.api('DELETE', `/v1/viewers/${revoked.contract.contract_id}`)
  t.is((await revoked.closed).cause, 'revoked')
  t.true(performance.now() - revokedAt < STOPS_WITHIN_MS)

  t.is((await expiring.closed).cause, 'expired')
  t.true(Date.now() - expiring.contract.expires_at < STOPS_WITHIN_MS)
  for (const { packets } of [stopped, video]) {
    const count = packets.length
    await new Promise((resolve) => setTimeout(resolve, 300))
    t.is(packets.length, count)
  }
  t.deepEqual(await viewersOf(hub), [])
  t.is(await stateOfTicket(hub, expiring), 'unknown_ticket')
})

/** The hub's answer to a join with the ticket of a contract that is over. */
async function stateOfTicket(hub: TestHub, { contract }: WeriftViewer): Promise<string | undefined> {
  const socket = new WebSocket(`${hub.url.replace(/^http/, 'ws')}/protoo`, 'protoo')
  const { promise, resolve } = Promise.withResolvers<string>()
  socket.addEventListener('message', ({ data }) => {
    if (String(data).includes('"response":true')) resolve(String(data))
  })
  await new Promise((open) => socket.addEventListener('open', open))
  const join = { ticket: contract.join.webrtc.ticket, rtp_capabilities: {} }
  socket.send(JSON.stringify({ request: true, id: 1, method: 'join', data: join }))
  const answer = await promise
  socket.close()
  return /"errorReason":"(\w+)/.exec(answer)?.[1]
}
