import test, { type ExecutionContext } from 'ava'
import { iceAccessSchema } from '../../common/wire/flow-contract.ts'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { prepareBare, publishBare, restartBare, watchBare } from '../support/bare-peer.ts'
import { peerConnections } from '../support/peer-connections.ts'
import { picturesAgain } from '../support/pictures-again.ts'
import { openRoamingLab, type RoamingLab } from '../support/roaming-lab.ts'
import { watchShown } from '../support/shown-pictures.ts'
import type { TwoNetworks } from '../support/two-networks.ts'
import { until } from '../support/until.ts'
import { publishByWhip } from '../support/werift-doors.ts'
import { askToPublish } from '../support/werift-publisher.ts'
import { openWeriftRoamer, type WeriftRoamer } from '../support/werift-roamer.ts'
import type { RoamerRole } from '../support/werift-roamer-protocol.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

/**
 * Clients without our SDK in networks that change and close in the middle of a stream: werift over each door, and a page's own
 * RTCPeerConnection. They mostly wait, and so all of them at once. test/e2e/roaming-peers.test.ts runs this.
 */

const HTTPS = 443
/** nftables: nothing leaves but HTTPS. */
const ONLY_HTTPS = ['meta l4proto udp', `oifname { "wifi", "mobile" } tcp dport != ${HTTPS}`] as const

let lab: RoamingLab

test.before(async () => {
  lab = await openRoamingLab({ port: HTTPS, args: ['--turn-mode', 'embedded'] })
  await until(async () => {
    const { body } = await lab.hub.api('POST', '/v1/subscribe', { stream_id: 'field' })
    const { join } = body as { join?: { webrtc: unknown } }
    return iceAccessSchema.parse(join?.webrtc).ice_servers.length > 0
  }, 'the relay is up')
})

test.after.always(() => lab?.[Symbol.asyncDispose]())

/** What a client goes through, one after the other, and the way that its media takes then. */
const STEPS = [
  {
    what: 'in another network',
    happens: (networks: TwoNetworks) => networks.change(),
    // The WebSocket is lost with the address.
    resume: true,
    path: { protocol: 'udp', relayed: false },
  },
  {
    what: 'without UDP',
    happens: (networks: TwoNetworks) => networks.drop('meta l4proto udp'),
    resume: false,
    path: { protocol: 'tcp', relayed: false },
  },
  {
    what: 'where nothing but HTTPS gets through',
    happens: (networks: TwoNetworks) => networks.drop(...ONLY_HTTPS),
    resume: false,
    // Between the relay and the hub.
    path: { protocol: 'udp', relayed: true },
  },
] as const

/** Packets of media that show that it flows. */
const FLOWING = 50

async function goThrough(
  t: ExecutionContext,
  role: RoamerRole,
  networks: TwoNetworks,
  roamer: WeriftRoamer,
  /** Packets that arrived at whoever receives, and everything that was ever negotiated there. */
  received: () => Promise<{ readonly packets: number; readonly media: readonly string[] }>,
): Promise<void> {
  const flows = async (what: string) => {
    const from = (await received()).packets
    await until(async () => (await received()).packets > from + FLOWING, `media ${what}`)
  }
  await flows('at first')
  const [before, there] = [await roamer.state(), await received()]
  t.like(before.path, { protocol: 'udp', relayed: false })
  const fragments = new Set([before.path?.usernameFragment])
  for (const { what, happens, resume, path } of STEPS) {
    const restarts = await lab.metric(`ice_restarts_total{by="client",of="${role}"}`)
    await happens(networks)
    await roamer.restart(resume)
    await flows(what)
    const after = await roamer.state()
    t.like(after.path, path, what)
    fragments.add(after.path?.usernameFragment)
    t.deepEqual(after.media, before.media, `${what}: nothing was negotiated anew`)
    t.deepEqual((await received()).media, there.media, `${what}: nor at the other end`)
    t.true((await lab.metric(`ice_restarts_total{by="client",of="${role}"}`)) > restarts)
  }
  t.is(fragments.size, STEPS.length + 1, 'each restart has credentials of its own')
  t.true((await lab.metric('turn_allocations')) >= 1)
}

const roamerOf = (as: RoamerRole, streamId: string, token: string, networks: TwoNetworks) =>
  openWeriftRoamer(
    { as, hubUrl: lab.hub.url, streamId, token, relay: { scheme: 'turns', transport: 'tcp', port: HTTPS } },
    networks.namespace.enter,
  )

for (const role of ['viewer', 'whep'] as const)
  test(`werift as ${role} goes on with the same media, whatever its network lets through`, async (t) => {
    const publisher = await lab.hub.issueToken({ role: 'publisher', subject: `for-${role}` })
    const token = await lab.hub.issueToken({ role: 'viewer', subject: role })
    const networks = await lab.openNetworks()
    // This werift takes no H.264.
    const streamId = role === 'viewer' ? 'field' : 'sent'
    const publishes = () => publishByWhip(`${lab.hub.url}/whip/sent`, publisher)
    await using _source = role === 'whep' ? await publishes() : null
    await using roamer = await roamerOf(role, streamId, token, networks)
    await goThrough(t, role, networks, roamer, () => roamer.state())
  })

for (const role of ['publisher', 'whip'] as const)
  test(`werift as ${role} goes on with the same media, whatever its network lets through`, async (t) => {
    const token = await lab.hub.issueToken({ role: 'publisher', subject: role })
    const viewing = await lab.hub.issueToken({ role: 'viewer', subject: `of-${role}` })
    const networks = await lab.openNetworks()
    await using roamer = await roamerOf(role, `by-${role}`, token, networks)
    await using viewer = await WeriftViewer.open(lab.hub.url, `by-${role}`, { token: viewing })
    await goThrough(t, role, networks, roamer, async () => ({
      packets: viewer.tracks.reduce((sum, { packets }) => sum + packets.length, 0),
      media: viewer.tracks.map(({ consumerId, ssrc, closed }) => `${consumerId} ${ssrc} ${closed}`),
    }))
  })

/** Part of the URL of the relay on the port of HTTPS. */
const RELAY = `:${HTTPS}?`
/** Chromium hears of a new address after 2 s. */
const HEARD_MS = 2500

test('a bare RTCPeerConnection goes on watching, whatever its network lets through', async (t) => {
  await using machine = await lab.openMachine()
  const page = await machine.open('/healthz')
  await prepareBare(page)
  const door = `${lab.hub.url.replace(/^http/, 'ws')}/protoo`
  const { body } = await lab.hub.api('POST', '/v1/subscribe', { stream_id: 'field' })
  const { ticket } = subscribeAnswerSchema.parse(body).join.webrtc
  t.true((await watchBare(page, door, ticket, RELAY)).frames >= 10)
  await watchShown(page)
  const before = await peerConnections(page)
  t.is(before.local?.protocol, 'udp')
  for (const { what, happens, resume, path } of STEPS) {
    const from = Date.now()
    await happens(machine.networks)
    if (resume) await new Promise((resolve) => setTimeout(resolve, HEARD_MS))
    await restartBare(page, 'network', resume ? door : null)
    const { againMs } = await picturesAgain(page, from)
    t.log(`${what}: pictures after ${againMs.toFixed()} ms`)
    const { local, ...after } = await peerConnections(page)
    t.deepEqual({ ...after, local: before.local }, before, `${what}: nothing was made anew`)
    t.is(local?.protocol, path.protocol, what)
    t.is(local?.type === 'relay', path.relayed, what)
  }
})

test('a bare RTCPeerConnection goes on publishing, whatever its network lets through', async (t) => {
  await using machine = await lab.openMachine()
  const page = await machine.open('/publish/by-bare')
  await prepareBare(page)
  const door = `${lab.hub.url.replace(/^http/, 'ws')}/protoo`
  const token = await lab.hub.issueToken({ role: 'publisher', subject: 'bare' })
  const { join } = await askToPublish(lab.hub.url, token, 'by-bare')
  t.is(await publishBare(page, door, join.ticket, RELAY), 'connected')
  const viewing = await lab.hub.issueToken({ role: 'viewer', subject: 'of-bare' })
  await using viewer = await WeriftViewer.open(lab.hub.url, 'by-bare', { token: viewing })
  const video = await viewer.track('video')
  const before = await peerConnections(page)
  for (const { what, happens, resume, path } of STEPS) {
    await happens(machine.networks)
    if (resume) await new Promise((resolve) => setTimeout(resolve, HEARD_MS))
    await restartBare(page, 'network', resume ? door : null)
    await until(async () => {
      const { local } = await peerConnections(page)
      return local?.protocol === path.protocol && (local.type === 'relay') === path.relayed
    }, `the way ${what}`)
    const from = video.packets.length
    await until(() => video.packets.length > from + FLOWING, `media ${what}`)
    const { made, ssrcs } = await peerConnections(page)
    t.deepEqual({ made, ssrcs }, { made: before.made, ssrcs: before.ssrcs }, `${what}: nothing was made anew`)
    t.false(video.closed)
    t.is(viewer.joins.length, 1)
  }
})
