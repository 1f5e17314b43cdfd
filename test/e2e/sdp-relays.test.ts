import test from 'ava'
import { z } from 'zod'
import { flowContractSchema } from '../../common/wire/flow-contract.ts'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { parseTurnUsername } from '../../turn/credentials.ts'
import { Chromium } from '../support/chromium.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { iceServersOfLinks } from '../support/ice-server-links.ts'
import { PLAYER_OFFER } from '../support/offers.ts'
import { RtcPage } from '../support/rtc-page.ts'
import { TurnClient } from '../support/turn-client.ts'
import { freeUdpRange } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'
import { publishByWhip, watchByWhep } from '../support/werift-doors.ts'

/** WHIP and WHEP clients get the relays by `Link` headers, and media comes through them. */

const stack = new AsyncDisposableStack()
let hub: TestHub
let publisher: string
let viewer: string

test.before(async () => {
  const relayPorts = await freeUdpRange(100)
  hub = stack.use(
    await startHub([], {
      args: [
        ...['--turn-mode', 'embedded', '--turn-port', '0', '--turn-relay-ports'],
        `${relayPorts}-${relayPorts + 99}`,
      ],
    }),
  )
  publisher = await hub.issueToken({ role: 'publisher' })
  viewer = await hub.issueToken({ role: 'viewer' })
  await until(async () => {
    const wanted = { stream_id: 'up', preferred_transports: ['webrtc'] }
    const { body } = await hub.api('POST', '/v1/publish', wanted, publisher)
    const { join, contract_id } = flowContractSchema.parse(body)
    await hub.api('DELETE', `/v1/flows/${contract_id}`)
    return join.ice_servers.length > 0
  }, 'the relay is up')
})
test.after.always(() => stack.disposeAsync())

test.serial('media of werift comes and goes through the relays that the doors name', async (t) => {
  await using direct = await publishByWhip(`${hub.url}/whip/first`, publisher)
  t.deepEqual(
    direct.relays.map(({ urls }) => urls.replace(/:\d+\?/, ':PORT?')),
    ['turn:127.0.0.1:PORT?transport=udp', 'turn:127.0.0.1:PORT?transport=tcp'],
  )
  await using _relayed = await publishByWhip(`${hub.url}/whip/second`, publisher, direct.relays.slice(0, 1))
  await until(
    async () => (await hub.metric('turn_bytes_total{direction="to_peers"}')) > 20_000,
    "the publisher's media passes the relay",
  )
  const toClients = await hub.metric('turn_bytes_total{direction="to_clients"}')
  await using first = await watchByWhep(`${hub.url}/whep/second`, viewer)
  await until(() => first.received.video > 10, 'a direct player gets media')
  await using second = await watchByWhep(`${hub.url}/whep/second`, viewer, first.relays.slice(0, 1))
  await until(() => second.received.video > 10 && second.received.audio > 10, 'a relayed player gets media')
  await until(
    async () => (await hub.metric('turn_bytes_total{direction="to_clients"}')) > toClients + 20_000,
    "the player's media passes the relay",
  )
})

test.serial('credentials last for a day, by token and by ticket, and end with their contract', async (t) => {
  await using _source = await publishByWhip(`${hub.url}/whip/cam`, publisher)
  const wanted = { stream_id: 'cam' }
  const { join } = subscribeAnswerSchema.parse((await hub.api('POST', '/v1/subscribe', wanted, viewer)).body)
  for (const proof of [viewer, join.webrtc.ticket]) {
    const response = await fetch(`${hub.url}/whep/cam`, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', authorization: `Bearer ${proof}` },
      body: PLAYER_OFFER,
    })
    t.is(response.status, 201, await response.text())
    const [server] = iceServersOfLinks(response.headers.get('link'))
    const user = parseTurnUsername(server?.username ?? '')
    t.true(Math.abs((user?.expiresAtS ?? 0) - Date.now() / 1000 - 86_400) < 10)
    const viewers = z
      .object({ viewers: z.array(z.looseObject({ contract_id: z.string() })) })
      .parse((await hub.api('GET', '/v1/viewers')).body).viewers
    t.true(viewers.some(({ contract_id }) => contract_id === user?.contractId))
    const session = new URL(response.headers.get('location')!, hub.url)
    await fetch(session, { method: 'DELETE', headers: { authorization: `Bearer ${proof}` } })
    if (proof !== viewer) continue
    // The session's own contract is over with it, and the relay was told.
    const [, ip = '', port = ''] = /^turn:([\d.]+):(\d+)\?/.exec(server!.urls) ?? []
    const late = { username: server!.username, password: server!.credential }
    await using client = await TurnClient.udp({ ip, port: Number(port) }, late)
    await t.throwsAsync(client.allocate())
  }
})

test.serial('a page takes the servers of the answer before it gathers', async (t) => {
  await using _source = await publishByWhip(`${hub.url}/whip/page`, publisher)
  await using chromium = await Chromium.launch()
  await using client = await RtcPage.open(chromium)
  const state = await client.page.evaluate(
    async ([url, token]) => {
      const peer = new RTCPeerConnection({ iceTransportPolicy: 'relay', bundlePolicy: 'max-bundle' })
      peer.addTransceiver('audio', { direction: 'recvonly' })
      peer.addTransceiver('video', { direction: 'recvonly' })
      const offer = await peer.createOffer()
      const headers = { 'content-type': 'application/sdp', authorization: `Bearer ${token}` }
      const response = await fetch(url, { method: 'POST', headers, body: offer.sdp ?? '' })
      const pattern = /<(turn[^>]+)>; rel="ice-server"; username="([^"]+)"; credential="([^"]+)"/g
      const links = response.headers.get('link') ?? ''
      const iceServers = Array.from(
        links.matchAll(pattern),
        ([, urls = '', username = '', credential = '']) => ({
          urls,
          username,
          credential,
        }),
      )
      peer.setConfiguration({ iceTransportPolicy: 'relay', bundlePolicy: 'max-bundle', iceServers })
      await peer.setLocalDescription(offer)
      await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() })
      for (let tries = 0; tries < 100 && peer.connectionState !== 'connected'; tries += 1)
        await new Promise((resolve) => setTimeout(resolve, 100))
      return { servers: iceServers.length, state: peer.connectionState }
    },
    [`${hub.url}/whep/page`, viewer] as const,
  )
  t.deepEqual(state, { servers: 2, state: 'connected' })
})
