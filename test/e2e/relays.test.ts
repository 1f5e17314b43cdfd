import test, { type ExecutionContext } from 'ava'
import { z } from 'zod'
import { flowContractSchema } from '../../common/wire/flow-contract.ts'
import { subscribeAnswerSchema, viewerSummarySchema } from '../../common/wire/flows-api.ts'
import { viewerStatisticsSchema } from '../../common/wire/statistics-api.ts'
import { Chromium } from '../support/chromium.ts'
import { type FieldSender, sendCard } from '../support/field-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { descendants, programOf } from '../support/processes.ts'
import { openOverRelay } from '../support/relay-page.ts'
import { freeUdpRange } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'
import { textOf, untilPicturesMove, untilState, useToken } from '../support/watch-page.ts'

/** Chromium watches and publishes through the hub's own TURN relay, and everything about it can be seen. */

let hub: TestHub
let chromium: Chromium
let sender: FieldSender

/** Ports that no stream of this test gets. */
async function relayPorts(): Promise<string> {
  const first = await freeUdpRange(100)
  return `${first}-${first + 99}`
}

const OWN_RELAY = ['--turn-mode', 'embedded', '--turn-port', '0', '--turn-tls-port', '0']

test.before(async () => {
  // The hub's certificate is of its own CA. This process speaks to nobody else.
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  hub = await startHub([{ streamId: 'cam-1' }, { streamId: 'forced' }], {
    args: [...OWN_RELAY, '--turn-relay-ports', await relayPorts(), '--tls', 'on'],
  })
  chromium = await Chromium.launch({ publish: true, flags: ['--ignore-certificate-errors'] })
  sender = await sendCard(hub.streams.get('cam-1')!)
  await relayIsUp(hub)
})

test.after.always(async () => {
  await sender?.[Symbol.asyncDispose]()
  await chromium?.[Symbol.asyncDispose]()
  await hub?.[Symbol.asyncDispose]()
})

const subscribed = async (at: TestHub, body: object) =>
  subscribeAnswerSchema.parse((await at.api('POST', '/v1/subscribe', body)).body)

async function relayIsUp(at: TestHub): Promise<void> {
  await until(async () => {
    const { join } = await subscribed(at, { stream_id: 'cam-1' })
    return join.webrtc.ice_servers.length > 0
  }, 'the relay is up')
}

const viewersOf = async (streamId: string) => {
  const { body } = await hub.api('GET', '/v1/viewers')
  const { viewers } = z.object({ viewers: z.array(viewerSummarySchema) }).parse(body)
  return viewers.filter(({ stream_id, connected }) => stream_id === streamId && connected)
}

/** Waits for a viewer that says how its media comes; its contract. */
async function contractsOf(streamId: string): Promise<string[]> {
  return (await viewersOf(streamId)).map(({ contract_id }) => contract_id)
}

/** @param others contracts from before: a page that was closed is a viewer for some seconds more */
async function untilPath(streamId: string, relayed: boolean, others: readonly string[]): Promise<string> {
  let found: string | undefined
  await until(
    async () => {
      const viewers = await viewersOf(streamId)
      found = viewers.find(
        ({ path, contract_id }) => path?.relayed === relayed && !others.includes(contract_id),
      )?.contract_id
      return found !== undefined
    },
    `a viewer comes ${relayed ? 'through a relay' : 'directly'}`,
  )
  return found!
}

test.serial('a contract says which relays there are, and why', async (t) => {
  const { join, mode, reasons } = await subscribed(hub, { stream_id: 'cam-1' })
  const [server, ...more] = join.webrtc.ice_servers
  t.deepEqual(more, [])
  t.is(join.webrtc.ice_transport_policy, 'all')
  t.is(mode, 'roaming')
  t.is(new URL(server!.urls[3]!.replace('turns:', 'https://')).port, new URL(hub.url).port)
  t.deepEqual(
    server!.urls.map((url) => url.replace(/:\d+\?/, ':PORT?')),
    [
      'turn:127.0.0.1:PORT?transport=udp',
      'turn:127.0.0.1:PORT?transport=tcp',
      'turns:127.0.0.1:PORT?transport=tcp',
      // The port of HTTPS.
      'turns:127.0.0.1:PORT?transport=tcp',
    ],
  )
  const [expires, name] = server!.username!.split(':')
  t.true(Math.abs(Number(expires) - Date.now() / 1000 - 300) < 5)
  t.regex(name!, /^default\/[A-Za-z0-9._-]+\/[\w-]{12}$/)
  t.true(
    reasons.some((reason) => /^relays, best first: hub \(on the hub's machine, \d+ % full\)$/.test(reason)),
  )

  const wished = await subscribed(hub, { stream_id: 'cam-1', preference: { relay: 'always' } })
  t.like(wished, { mode: 'overlay-relay', join: { webrtc: { ice_transport_policy: 'relay' } } })
})

const openOver = (protocol: 'udp' | 'tcp' | 'tls' | 'https', path: string) =>
  openOverRelay(chromium, `${hub.url}${path}`, protocol)

for (const [way, protocol] of [
  ['udp', 'udp'],
  ['tcp', 'tcp'],
  ['tls', 'tls'],
  ['https', 'tls'],
] as const)
  test.serial(
    `a page watches through the relay alone, over ${way.toUpperCase()}, and is seen to`,
    async (t) => {
      const before = await hub.metric('turn_bytes_total{direction="to_clients"}')
      const others = await contractsOf('cam-1')
      await using watched = await openOver(way, '/watch/cam-1?relay=always')
      const { page } = watched
      await untilState(page, 'live')
      t.true((await untilPicturesMove(page)).length > 5)
      await page.keyboard.press('i')
      t.is(await textOf(page, 'transport'), `TURN over ${protocol.toUpperCase()}`)
      t.regex(await textOf(page, 'relay'), /^127\.0\.0\.1:\d+$/)
      const contractId = await untilPath('cam-1', true, others)
      await until(async () => {
        const { body } = await hub.api('GET', `/v1/viewers/${contractId}/statistics`)
        const { path, relay, media } = viewerStatisticsSchema.parse(body)
        return (
          path?.relay === 'hub' &&
          path.protocol === protocol &&
          path.relayed_share === 1 &&
          path.rtt_ms !== null &&
          relay?.protocol === protocol &&
          relay.bytes_to_client > 100_000 &&
          media !== null
        )
      }, 'statistics show the relay')
      t.true((await hub.metric('turn_allocations')) >= 1)
      await until(
        async () => (await hub.metric('turn_bytes_total{direction="to_clients"}')) > before + 100_000,
        'bytes are counted',
      )
      t.deepEqual(watched.errors, [])
    },
  )

test.serial('a direct viewer stays direct, and has the relay at hand', async (t) => {
  const others = await contractsOf('cam-1')
  await using watched = await chromium.open(`${hub.url}/watch/cam-1`)
  await untilState(watched.page, 'live')
  await untilPicturesMove(watched.page)
  const contractId = await untilPath('cam-1', false, others)
  const { body } = await hub.api('GET', `/v1/viewers/${contractId}/statistics`)
  t.like(viewerStatisticsSchema.parse(body), { path: { relay: null, relayed_share: 0 } })
})

test.serial('a contract that ends takes its allocations with it', async (t) => {
  const others = await contractsOf('cam-1')
  await using watched = await chromium.open(`${hub.url}/watch/cam-1?relay=always`)
  const { page } = watched
  await untilState(page, 'live')
  await untilPicturesMove(page)
  const contractId = await untilPath('cam-1', true, others)
  t.is((await hub.api('DELETE', `/v1/viewers/${contractId}`)).status, 204)
  // A page of a test before may have left without a word: its contract, and what it allocated, ends after 30 s unused.
  await until(async () => (await hub.metric('turn_allocations')) === 0, 'the allocations are over', 50_000)
  t.pass()
})

test.serial('a renewed contract takes over what the one before allocated', async (t) => {
  await hub.putPolicy({ limits: { contract_seconds: 10 } })
  const others = await contractsOf('cam-1')
  await using watched = await openOver('udp', '/watch/cam-1?relay=always')
  const { page } = watched
  await untilState(page, 'live')
  const contractId = await untilPath('cam-1', true, others)
  const allocated = await hub.metric('turn_allocated_total')
  await until(
    async () => (await viewersOf('cam-1')).some(({ contract_id }) => contract_id !== contractId),
    'the contract is renewed',
  )
  await until(
    async () => (await viewersOf('cam-1')).every(({ contract_id }) => contract_id !== contractId),
    'the contract before is over',
  )
  t.true((await untilPicturesMove(page)).length > 5)
  t.is(await hub.metric('turn_allocated_total'), allocated)
  await hub.putPolicy({})
})

test.serial('a page publishes through the relay alone', async (t) => {
  const publisher = await hub.issueToken({ role: 'publisher', subject: 'pat' })
  await using studio = await chromium.open(`${hub.url}/publish/desk?relay=always`)
  const { page } = studio
  await page.getByTestId('height').selectOption('360')
  await page.waitForSelector('[data-testid=go-live]:enabled')
  await page.getByTestId('go-live').click()
  await useToken(page, publisher)
  const contract = async () => {
    const { body } = await hub.api('GET', '/v1/flows')
    const { flows } = z
      .object({ flows: z.array(z.looseObject({ stream_id: z.string(), mode: z.string() })) })
      .parse(body)
    return flows.find(({ stream_id }) => stream_id === 'desk')
  }
  await until(async () => (await contract())?.mode === 'overlay-relay', 'the contract is relayed')
  const live = async () => {
    const { body } = await hub.api('GET', '/v1/streams/desk')
    return z.object({ state: z.string() }).safeParse(body).data?.state === 'live'
  }
  await until(live, 'the stream is live', 20_000)
  const toPeers = await hub.metric('turn_bytes_total{direction="to_peers"}')
  await until(
    async () => (await hub.metric('turn_bytes_total{direction="to_peers"}')) > toPeers + 50_000,
    'media passes',
  )
  t.pass()
})

test.serial('the policy demands a relay for a class, and refuses where none is up', async (t) => {
  await using other = await startHub([{ streamId: 'cam-1' }])
  await other.putPolicy({ relay: { always: ['class:focus'] } })
  // Nor is the class lowered to one that may go directly.
  const refused = await other.api('POST', '/v1/subscribe', { stream_id: 'cam-1' })
  t.is(refused.status, 503)
  t.like(refused.body, { error: { code: 'no_path', resource: 'relay' } })
  const lesser = await subscribed(other, { stream_id: 'cam-1', viewer_class: 'director' })
  t.is(lesser.join.webrtc.ice_transport_policy, 'all')
})

test.serial('a relay process that dies is replaced, counted and audited, and viewers go on', async (t) => {
  await using watched = await chromium.open(`${hub.url}/watch/cam-1?relay=always`)
  await untilState(watched.page, 'live')
  await untilPicturesMove(watched.page)
  const relay = descendants(hub.pid).find((pid) => programOf(pid).includes('turn-main'))
  t.truthy(relay)
  process.kill(relay!, 'SIGKILL')
  await until(
    async () => (await hub.metric('service_restarts_total{service="turn"}')) === 1,
    'the death is counted',
  )
  await relayIsUp(hub)
  await until(async () => {
    const { body } = await hub.api('GET', '/v1/audit?action=alarm.raise')
    return JSON.stringify(body).includes('service:turn')
  }, 'the death is on the audit trail')
  await untilState(watched.page, 'live')
  await untilPicturesMove(watched.page)
})

test.serial('a taken port does not keep the hub from starting, and is tried again', async (t) => {
  const port = await portOf(t)
  await using second = await startHub([{ streamId: 'cam-1' }], {
    args: [...OWN_RELAY, '--turn-port', String(port), '--turn-relay-ports', await relayPorts()],
  })
  await until(
    async () => (await second.metric('errors_total{stage="turn",kind="failed"}')) > 1,
    'it is tried again',
  )
  const { body } = await second.api('GET', '/v1/alarms')
  t.true(JSON.stringify(body).includes('relay_unavailable'))
  t.is((await second.api('GET', '/readyz')).status, 200)
  t.is(await second.metric('service_restarts_total{service="turn"}'), 0)
  t.deepEqual((await subscribed(second, { stream_id: 'cam-1' })).join.webrtc.ice_servers, [])
})

async function portOf(_t: ExecutionContext): Promise<number> {
  const { join } = await subscribed(hub, { stream_id: 'cam-1' })
  return Number(/:(\d+)\?/.exec(join.webrtc.ice_servers[0]!.urls[0]!)![1])
}

test.serial('a sender over RIST gets relays for its detours, and none is demanded of it', async (t) => {
  const { body } = await hub.api('POST', '/v1/publish', { stream_id: 'field-9', intent: { relay: 'always' } })
  const { transport, mode, join } = flowContractSchema.parse(body)
  t.is(transport, 'rist')
  t.not(mode, 'overlay-relay')
  t.is(join.ice_transport_policy, 'all')
  t.is(join.ice_servers.length, 1)
})
