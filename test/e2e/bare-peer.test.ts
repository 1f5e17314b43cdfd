import test from 'ava'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { prepareBare, publishBare, watchBare } from '../support/bare-peer.ts'
import { Chromium } from '../support/chromium.ts'
import { startHub } from '../support/hub.ts'
import { until } from '../support/until.ts'
import { askToPublish } from '../support/werift-publisher.ts'

test('a bare RTCPeerConnection publishes, and another watches, by the protocol alone', async (t) => {
  await using hub = await startHub([], { workers: 2 })
  await using chromium = await Chromium.launch({ publish: true })
  const publisher = await hub.issueToken({ role: 'publisher' })
  const viewer = await hub.issueToken({ role: 'viewer' })
  const door = `${hub.url.replace(/^http/, 'ws')}/protoo`
  const open = async () => {
    // The publisher's page is the one that may use a camera.
    const opened = await chromium.open(`${hub.url}/publish/bare`)
    await prepareBare(opened.page)
    return opened
  }
  await using sending = await open()
  const { join } = await askToPublish(hub.url, publisher, 'bare')
  t.is(await publishBare(sending.page, door, join.ticket), 'connected')
  const subscribe = () => hub.api('POST', '/v1/subscribe', { stream_id: 'bare' }, viewer)
  await until(
    async () => subscribeAnswerSchema.parse((await subscribe()).body).stream.state === 'live',
    'live',
  )

  await using watching = await open()
  const { ticket } = subscribeAnswerSchema.parse((await subscribe()).body).join.webrtc
  const { frames, sound } = await watchBare(watching.page, door, ticket)
  t.true(frames >= 10, `${frames} pictures`)
  t.true(sound > 0, 'sound')
})
