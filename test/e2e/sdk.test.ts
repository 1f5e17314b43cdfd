import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import test from 'ava'
import type { Page } from 'playwright-core'
import { Peer, WebSocketTransport } from 'protoo-client'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { joinAnswer } from '../../common/wire/viewer-protocol.ts'
import { askHub } from '../../signaling/client/hub-request.ts'
import { BareViewer } from '../support/bare-viewer.ts'
import { Chromium } from '../support/chromium.ts'
import { type ClipSender, startClipSender } from '../support/clip-sender.ts'
import { type OpenStream, startHub, type TestHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { pageScript } from '../support/page-script.ts'
import { until } from '../support/until.ts'
import { stateOf, textOf, untilState } from '../support/watch-page.ts'

/** The SDK as pages use it: the example of its document, several streams on one connection, and abuse of that. */

const DOCS = resolve(import.meta.dirname, '../../docs')

let hub: TestHub
const senders: ClipSender[] = []

test.before(async () => {
  hub = await startHub([{ streamId: 'cam-1' }, { streamId: 'cam-2' }, { streamId: 'rare' }], { workers: 2 })
  const path = await generateMedia('two-renditions', { seconds: 60, size: '640x480' })
  const rare = await generateMedia('baseline', { seconds: 30, gop: 90 })
  const send = async (stream: OpenStream) =>
    senders.push(
      await startClipSender(stream, { path: stream.streamId === 'rare' ? rare : path, repeat: true }),
    )
  await Promise.all(Array.from(hub.streams.values(), send))
})

test.after.always(async () => {
  for (const sender of senders) await sender[Symbol.asyncDispose]()
  await hub[Symbol.asyncDispose]()
})

/** Pictures that an element has shown. */
const pictures = (page: Page, selector: string): Promise<number> =>
  page.evaluate(
    (at) => document.querySelector<HTMLVideoElement>(at)?.getVideoPlaybackQuality().totalVideoFrames ?? 0,
    selector,
  )

const untilPlays = async (page: Page, selector: string): Promise<void> => {
  const before = await pictures(page, selector)
  await until(async () => (await pictures(page, selector)) > before + 10, `${selector} plays`, 20_000)
}

/** In the page: counts its connections. */
function countConnections(): void {
  const counted = { sockets: 0, transports: 0 }
  Object.assign(globalThis, { counted })
  globalThis.WebSocket = new Proxy(WebSocket, {
    construct(target, args: ConstructorParameters<typeof WebSocket>) {
      counted.sockets += 1
      return new target(...args)
    },
  })
  const original = RTCPeerConnection.prototype.setRemoteDescription
  const seen = new Set<RTCPeerConnection>()
  RTCPeerConnection.prototype.setRemoteDescription = function (this: RTCPeerConnection, description) {
    seen.add(this)
    counted.transports = seen.size
    return Reflect.apply(original, this, [description])
  }
}

test.serial('the example of the document publishes and watches', async (t) => {
  const example = await readFile(resolve(DOCS, 'sdk-example.ts'), 'utf8')
  t.true((await readFile(resolve(DOCS, 'sdk.md'), 'utf8')).includes(`\`\`\`ts\n${example}\`\`\``))
  const script = await pageScript(resolve(DOCS, 'sdk-example.ts'))
  const token = await hub.issueToken({ role: 'operator' })
  await using chromium = await Chromium.launch({ publish: true })
  await using watched = await chromium.open(`${hub.url}/publish/nothing`)
  const { page } = watched
  // The only page that may use the camera, showing nothing itself: a hidden page gets no picture.
  await page.evaluate((mine) => {
    sessionStorage.setItem('token', mine)
    document.body.replaceChildren()
    const small = new CSSStyleSheet()
    small.replaceSync('video { width: 320px }')
    document.adoptedStyleSheets = [small]
  }, token)
  await page.evaluate(script)
  const title = () => page.evaluate(() => document.querySelector<HTMLElement>('#studio-1')!.title)
  await untilPlays(page, '#studio-1').catch(async (error: unknown) => {
    throw new Error(`${String(error)}; it is "${await title()}"; ${watched.errors.join('; ')}`)
  })
  await untilPlays(page, '#cam-1')
  await until(async () => (await title()) === 'studio-1 is live', 'the state is told')
  const seen = () => page.evaluate(() => document.querySelector<HTMLElement>('#cam-1')!.dataset['seen'] ?? '')
  await until(async () => /^[1-9]\d* kb\/s/.test(await seen()), 'statistics are told')
  t.pass()
})

test('a page of several streams has one connection, and each tile gets the layer that it can show', async (t) => {
  await using chromium = await Chromium.launch()
  await using watched = await chromium.open('about:blank', { width: 1280, height: 720 })
  const { page } = watched
  await page.addInitScript(countConnections)
  await page.goto(`${hub.url}/watch/cam-1+cam-2`)
  for (const streamId of ['cam-1', 'cam-2']) await untilPlays(page, `[data-testid="tile-${streamId}"] video`)
  t.deepEqual(await page.evaluate(() => (globalThis as unknown as { counted: object }).counted), {
    sockets: 1,
    transports: 1,
  })
  const shown = (streamId: string) =>
    page.evaluate(
      (id) => ({ ...document.querySelector<HTMLElement>(`[data-testid="tile-${id}"]`)!.dataset }),
      streamId,
    )
  const height = (streamId: string) =>
    page.evaluate(
      (id) => document.querySelector<HTMLVideoElement>(`[data-testid="tile-${id}"] video`)!.videoHeight,
      streamId,
    )
  for (const streamId of ['cam-1', 'cam-2'])
    await until(async () => (await height(streamId)) === 480, `${streamId} gets the large rendition`, 20_000)
  await page.setViewportSize({ width: 260, height: 340 })
  await until(async () => (await height('cam-1')) === 240, 'a small tile gets the small rendition', 15_000)
  await until(async () => (await shown('cam-1'))['reason'] === 'tile', 'the tile is the reason')
  await page.evaluate(() => {
    const tile = document.querySelector<HTMLElement>('[data-testid="tile-cam-2"]')!
    tile.style.position = 'fixed'
    tile.style.top = '-5000px'
  })
  await until(async () => (await shown('cam-2'))['reason'] === 'hidden', 'a tile out of sight is paused')
  await untilPlays(page, '[data-testid="tile-cam-1"] video')
  t.deepEqual(watched.errors, [])
})

test('who joins is told how long the first picture may take', async (t) => {
  const asked = { hubUrl: hub.url, path: '/v1/subscribe', token: null, body: { stream_id: 'rare' } }
  const told = await until(async () => {
    const { ticket } = (await askHub(asked, subscribeAnswerSchema)).join.webrtc
    const viewer = await BareViewer.open(hub.url, ticket)
    const { streams } = await viewer.joined
    viewer.leave()
    return streams[0]!.keyframe_every_ms
  }, 'two keyframes came')
  t.is(told, 3000)
})

/** In the page: its browser has no H.264 until `globalThis.h264` is set, as a Firefox that has yet to fetch it. */
function hideH264(): void {
  const page = globalThis as typeof globalThis & { h264?: boolean }
  const asked = RTCRtpReceiver.getCapabilities
  RTCRtpReceiver.getCapabilities = (kind) => {
    const all = Reflect.apply(asked, RTCRtpReceiver, [kind])
    if (page.h264 || all === null) return all
    return { ...all, codecs: all.codecs.filter(({ mimeType }) => mimeType !== 'video/H264') }
  }
  const offered = RTCPeerConnection.prototype.createOffer
  RTCPeerConnection.prototype.createOffer = async function (
    this: RTCPeerConnection,
    options?: RTCOfferOptions,
  ) {
    const offer = await Reflect.apply(offered, this, [options])
    return page.h264 ? offer : { ...offer, sdp: offer.sdp?.replaceAll(' H264/90000', ' H26X/90000') }
  } as typeof offered
}

test('a browser without the codec plays the sound, says so, and has the picture once it can', async (t) => {
  await using chromium = await Chromium.launch()
  await using watched = await chromium.open('about:blank')
  const { page } = watched
  await page.addInitScript(hideH264)
  await page.goto(`${hub.url}/watch/cam-1`)
  await untilState(page, 'unplayable')
  t.regex(await textOf(page, 'notice-detail'), /no decoder for H\.264\. Another browser.* sound plays/)
  await page.getByTestId('sound-on').click()
  await page.keyboard.press('i')
  await until(async () => /^[1-9]\d* kb\/s/.test(await textOf(page, 'audio-rate')), 'sound arrives')
  t.is(await stateOf(page), 'unplayable')
  t.is(
    await hub.metric('rejected_total{reason="codec_not_supported"}'),
    1,
    'it was not tried again and again',
  )
  await page.evaluate(() => Object.assign(globalThis, { h264: true }))
  await untilState(page, 'live')
  await untilPlays(page, 'video')
  t.deepEqual(watched.errors, [])
})

test('who watches without end is refused, who never answers is let go; both are counted', async (t) => {
  const ticket = async (streamId: string): Promise<string> => {
    const asked = { hubUrl: hub.url, path: '/v1/subscribe', token: null, body: { stream_id: streamId } }
    return (await askHub(asked, subscribeAnswerSchema)).join.webrtc.ticket
  }
  const peer = new Peer(
    new WebSocketTransport(`${hub.url.replace('http', 'ws')}/protoo`, { retry: { retries: 0 } }),
  )
  const closed = new Promise<void>((resolveClosed) => {
    peer.on('disconnected', resolveClosed)
    peer.on('close', resolveClosed)
  })
  const offered: string[] = []
  const capabilities = await new Promise<object>((resolveWelcome) => {
    peer.on('notification', ({ method, data }) => {
      if (method === 'welcome')
        resolveWelcome((data as { router_rtp_capabilities: object }).router_rtp_capabilities)
    })
  })
  peer.on('request', ({ method }) => offered.push(method))
  const joined = joinAnswer.parse(
    await peer.request('join', { ticket: await ticket('cam-1'), rtp_capabilities: capabilities }),
  )
  t.is(joined.streams[0]!.stream_id, 'cam-1')
  await t.throwsAsync(
    peer.request('watch', { ticket: await ticket('cam-2'), replaces: joined.streams[0]!.contract_id }),
    {
      message: /other_stream/,
    },
  )
  await t.throwsAsync(peer.request('unwatch', { contract_id: 'nothing' }), { message: /not_watched/ })
  let refusal: unknown = null
  for (let count = 1; count < 40 && refusal === null; count++) {
    // 20 requests a second are allowed.
    await new Promise((resolvePause) => setTimeout(resolvePause, 60))
    refusal = await peer.request('watch', { ticket: await ticket('cam-2') }).then(
      () => null,
      (error: unknown) => error,
    )
    if (refusal !== null) t.is(count, 32)
  }
  t.regex(String(refusal), /too_many_streams.*32/)
  t.is(await hub.metric('rejected_total{reason="too_many_streams"}'), 1)
  await closed
  t.true(offered.length > 0 && offered.every((method) => method === 'consume'))
  t.true((await hub.metric('rejected_total{reason="no_answer"}')) >= 1)
})
