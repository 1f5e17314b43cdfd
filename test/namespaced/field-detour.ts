import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import type { Page } from 'playwright-core'
import { z } from 'zod'
import { type FlowSummary, flowSummarySchema } from '../../common/wire/flows-api.ts'
import { Chromium, type WatchedPage } from '../support/chromium.ts'
import { type FieldSender, startFieldSender } from '../support/field-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { type Neighbour, openNeighbour } from '../support/namespaces.ts'
import { takeShown, watchShown } from '../support/shown-pictures.ts'
import { trustingHub } from '../support/trust-hub.ts'
import { until } from '../support/until.ts'
import { untilPicturesMove, untilState, useToken } from '../support/watch-page.ts'

/**
 * A field sender whose network lets no UDP through, and later nothing but TCP to the hub's HTTPS port: its pictures come
 * all the same. test/e2e/field-detour.test.ts runs this.
 */

const run = promisify(execFile)

let neighbour: Neighbour
let hub: TestHub
let chromium: Chromium
let publisherToken: string
let viewerToken: string

/** A hub with its TURN relay, and one without: the way that a sender finds there. */
const hubs = new Map<'turn' | 'wss', TestHub>()

test.before(async () => {
  neighbour = await openNeighbour()
  const { here } = neighbour
  const shared = { workers: 1, bind: `${here}:0` }
  const at = ['--rtc-ip', here, '--rist-ip', here]
  hubs.set('wss', await startHub([], { ...shared, args: [...at, '--rist-ports', '9600-9699'] }))
  const turn = ['--turn-mode', 'embedded', '--turn-relay-ports', '9000-9099']
  hubs.set('turn', await startHub([], { ...shared, args: [...at, '--rist-ports', '9500-9599', ...turn] }))
  // The hub's own certificate authority is nobody's here.
  chromium = await Chromium.launch({ flags: ['--ignore-certificate-errors'] })
})

/** The tests that follow are about this hub. */
async function take(way: 'turn' | 'wss'): Promise<void> {
  hub = hubs.get(way)!
  publisherToken = await hub.issueToken({ role: 'publisher' })
  viewerToken = await hub.issueToken({ role: 'viewer' })
}

test.afterEach.always(() => firewall(null))

test.after.always(async () => {
  await chromium?.[Symbol.asyncDispose]()
  for (const each of hubs.values()) await each[Symbol.asyncDispose]()
  await neighbour?.[Symbol.asyncDispose]()
})

/** The sender's own firewall, from now on; null lets everything through. */
async function firewall(allowed: string | null): Promise<void> {
  const [program, ...words] = neighbour.enter
  const nft = (rules: string) => run(program, [...words, '/usr/sbin/nft', rules])
  await nft('add table inet sender; delete table inet sender')
  if (allowed === null) return
  const chain = (hook: string, rules: string) =>
    `chain ${hook} { type filter hook ${hook} priority 0; policy drop; iif lo accept; oif lo accept; ${rules} };`
  await nft(
    `table inet sender { ${chain('output', allowed)} ${chain('input', allowed.replaceAll('dport', 'sport'))} }`,
  )
}

const NO_UDP = 'meta l4proto tcp accept; meta l4proto icmp accept;'
/** How the contract's reasons name a way. */
const WORDS = { turn: 'a TURN relay', wss: 'a WebSocket of the hub' } as const
const onlyHttps = () => `tcp dport ${new URL(hub.url).port} accept;`

async function send(streamId: string, streamClass: 'focus' | 'director' | 'record'): Promise<FieldSender> {
  return startFieldSender(
    {
      hub_url: hub.url,
      token: publisherToken,
      stream_id: streamId,
      class: streamClass,
      card: { name: streamId, width: 640, height: 360, videoKbps: 1500 },
    },
    { enter: neighbour.enter, env: await trustingHub(hub) },
  )
}

async function watch(streamId: string): Promise<WatchedPage> {
  const watched = await chromium.open(`${hub.url}/watch/${streamId}`)
  await useToken(watched.page, viewerToken)
  return watched
}

async function flowOf(streamId: string): Promise<FlowSummary> {
  const { body } = await hub.api('GET', '/v1/flows')
  const { flows } = z.object({ flows: z.array(flowSummarySchema) }).parse(body)
  return flows.find(({ stream_id }) => stream_id === streamId)!
}

async function untilShown(page: Page, count: number): Promise<void> {
  let shown = 0
  await until(async () => {
    shown += (await takeShown(page)).length
    return shown >= count
  }, `${count} pictures are shown`)
}

/** The longest time that a picture stood still, ms, and the number of pictures. */
async function longestStill(page: Page): Promise<{ ms: number; pictures: number }> {
  const shown = await takeShown(page)
  const gaps = shown.slice(1).map(({ at }, index) => at - shown[index]!.at)
  return { ms: Math.round(Math.max(0, ...gaps)), pictures: shown.length }
}

for (const [name, rules, via] of [
  ['no UDP', () => NO_UDP, 'turn'],
  ['nothing but the port of HTTPS', onlyHttps, 'turn'],
  ['nothing but HTTPS to a hub without relay', onlyHttps, 'wss'],
] as const)
  test.serial(`a sender whose network lets through ${name} is watched`, async (t) => {
    t.timeout(120_000)
    await take(via)
    const streamId = `cam-${name.length}`
    await firewall(rules())
    const startedAt = performance.now()
    await using sender = await send(streamId, 'record')
    await using watched = await watch(streamId)
    await untilState(watched.page, 'live')
    t.log(`live ${Math.round(performance.now() - startedAt)} ms after the sender began`)
    const latencies = await untilPicturesMove(watched.page)
    t.log(`glass to glass ${latencies.map(Math.round).join(', ')} ms`)
    await watchShown(watched.page)
    await untilShown(watched.page, 20)

    t.deepEqual(sender.ways.at(-1)?.ways, [via, via])
    const flow = await until(async () => {
      const now = await flowOf(streamId)
      return now.mode === 'overlay-relay' && now.reasons.join().includes(WORDS[via]) ? now : null
    }, 'the contract says how it runs')
    t.deepEqual(
      flow.ways.map(({ via }) => via),
      [via, via],
    )
    t.deepEqual(
      flow.detours.map((detour) => detour.via),
      via === 'turn' ? ['turn', 'wss'] : ['wss'],
    )
    t.regex(flow.reasons.join('\n'), /detour over TCP allowed: .* of 1000 ms/)
    const { body } = await hub.api('GET', `/v1/streams/${streamId}/statistics`)
    t.like(body, { ways: [{ via }, { via }] })
    t.true((await hub.metric(`lanecast_links_detoured{via="${via}"}`)) >= 2)
    t.true((await hub.metric(`lanecast_detours_total{via="${via}"}`)) >= 2)
    const bytes = await hub.metric('lanecast_detour_bytes_total{direction="received"}')
    t.is(bytes > 100_000, via === 'wss')
    t.is(await hub.metric('rejected_total{reason="malformed_message"}'), 0)

    await hub.api('DELETE', `/v1/flows/${flow.contract_id}`)
    await until(() => sender.contracts.some(({ type }) => type === 'contract-ended'), 'the sender is told')
    await until(
      async () => (await hub.metric(`lanecast_links_detoured{via="${via}"}`)) === 0,
      'the detour ended',
    )
  })

for (const via of ['turn', 'wss'] as const)
  test.serial(`a sender that loses UDP goes on by ${via}, and back to UDP`, async (t) => {
    t.timeout(120_000)
    await take(via)
    await using sender = await send('mobile', 'record')
    await using watched = await watch('mobile')
    await untilState(watched.page, 'live')
    t.deepEqual(sender.ways.at(-1)?.ways, ['udp', 'udp'])
    await watchShown(watched.page)
    await untilShown(watched.page, 20)

    await firewall(NO_UDP)
    await until(() => sender.ways.at(-1)?.ways.every((way) => way === via), 'the detour is taken')
    await untilPicturesMove(watched.page)
    const lost = await longestStill(watched.page)
    t.log(`without UDP: the picture stood still for ${lost.ms} ms`)
    t.true(lost.pictures > 10)
    t.true(lost.ms < 4000)

    await firewall(null)
    await until(() => sender.ways.at(-1)?.ways.every((way) => way === 'udp'), 'UDP is back', 60_000)
    const flow = await until(async () => {
      const now = await flowOf('mobile')
      return now.mode === 'overlay-relay' && now.reasons.join().includes(WORDS[via]) ? null : now
    }, 'the contract says so')
    t.true(flow.ways.every((way) => way.via === 'udp'))
    await until(
      async () => (await hub.metric(`lanecast_links_detoured{via="${via}"}`)) === 0,
      'no detour is left',
    )
    await untilPicturesMove(watched.page)
    const back = await longestStill(watched.page)
    t.log(`back to UDP: the picture stood still for ${back.ms} ms`)
    t.true(back.ms < 1000)
  })

test.serial('a stream of class focus has no detour, and its contract says the arithmetic', async (t) => {
  t.timeout(60_000)
  await take('turn')
  await hub.putPolicy({ admission: { downgrade: false } })
  await using sender = await send('close-up', 'focus')
  await firewall(NO_UDP)
  const flow = await flowOf('close-up')
  t.is(flow.class, 'focus')
  t.deepEqual(flow.detours, [])
  t.regex(flow.reasons.join('\n'), /detour over TCP refused: .* = \d+ ms of 200 ms/)
  await until(() => sender.links.some(({ alive }) => !alive) || sender.links.length > 0, 'statistics')
  t.true(sender.ways.every(({ ways }) => ways.every((via) => via === 'udp')))
})
