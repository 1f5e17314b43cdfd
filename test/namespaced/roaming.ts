import { readlinkSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { peerConnections } from '../support/peer-connections.ts'
import { picturesAgain } from '../support/pictures-again.ts'
import { descendants, programOf } from '../support/processes.ts'
import { type Machine, openRoamingLab, type RoamingLab } from '../support/roaming-lab.ts'
import { RtcPage } from '../support/rtc-page.ts'
import { takeShown } from '../support/shown-pictures.ts'
import { until } from '../support/until.ts'
import { untilState } from '../support/watch-page.ts'

/**
 * Browsers that change networks while they watch and publish. test/e2e/roaming.test.ts runs this. Tests with pictures take
 * turns; one machine sleeps meanwhile.
 */

let lab: RoamingLab

test.before(async () => {
  lab = await openRoamingLab()
})

test.after.always(() => lab?.[Symbol.asyncDispose]())

let last: Promise<unknown> = Promise.resolve()
/** A test that begins when those before it are over. */
function testInTurn(name: string, run: (t: ExecutionContext) => Promise<void>): void {
  test(name, async (t) => {
    const before = last
    const over = Promise.withResolvers<void>()
    last = over.promise
    await before
    await run(t).finally(over.resolve)
  })
}

const rest = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const restarts = (of: string) => lab.metric(`ice_restarts_total{by="client",of="${of}"}`)

/** The processes of a machine's browser. */
function browserOf({ networks }: Machine): number[] {
  const network = (pid: number) => readlinkSync(`/proc/${pid}/ns/net`)
  const own = network(networks.namespace.pid)
  return descendants(process.pid).filter((pid) => programOf(pid).includes('chromium') && network(pid) === own)
}

test('a machine that slept longer than its contract is back in a moment', async (t) => {
  await lab.hub.putPolicy({ limits: { contract_seconds: 20 } })
  await using machine = await lab.openMachine()
  const page = await machine.watch('field')
  await lab.hub.putPolicy({})
  const browser = browserOf(machine)
  t.true(browser.length > 2)
  for (const pid of browser) process.kill(pid, 'SIGSTOP')
  // Longer than the contract, than consent and path may be away, and than the hub keeps what nobody hears.
  await rest(45_000)
  for (const pid of browser) process.kill(pid, 'SIGCONT')
  const from = Date.now()
  const { againMs } = await picturesAgain(page, from)
  t.log(`again ${againMs.toFixed()} ms after waking`)
  t.true(againMs > 0)
  await untilState(page, 'live')
})

testInTurn('a viewer that changes networks goes on with the same media', async (t) => {
  await using machine = await lab.openMachine()
  const page = await machine.watch('field')
  const before = await peerConnections(page)
  t.is(before.local?.protocol, 'udp')
  for (const round of [1, 2]) {
    const from = Date.now()
    await machine.networks.change()
    const { againMs, frozenMs } = await picturesAgain(page, from)
    t.log(`round ${round}: again after ${againMs.toFixed()} ms, frozen for ${frozenMs.toFixed()} ms`)
    const after = await peerConnections(page)
    t.deepEqual({ ...after, local: null }, { ...before, local: null })
  }
})

testInTurn('where UDP is blocked in the middle of a stream, TCP takes over', async (t) => {
  await using machine = await lab.openMachine()
  const page = await machine.watch('field')
  const before = await peerConnections(page)
  const counted = await restarts('viewer')
  const from = Date.now()
  await machine.networks.drop('meta l4proto udp')
  const { againMs } = await picturesAgain(page, from)
  t.log(`again after ${againMs.toFixed()} ms`)
  const after = await peerConnections(page)
  t.is(after.local?.protocol, 'tcp')
  t.deepEqual({ ...after, local: null }, { ...before, local: null })
  t.true((await restarts('viewer')) > counted)
})

testInTurn('a viewer whose WebSocket breaks keeps its media, and the hub hears it again', async (t) => {
  await using machine = await lab.openMachine()
  const page = await machine.watch('field')
  const before = await peerConnections(page)
  const { port } = new URL(lab.hub.url)
  await takeShown(page)
  const from = Date.now()
  // Every packet of the connection is answered by an end of it, on both sides.
  await machine.networks.reject(`tcp dport ${port}`, `tcp sport ${port}`)
  await rest(2500)
  await machine.networks.dropNothing()
  const reports = await lab.metric('lanecast_join_seconds_count')
  await until(async () => (await lab.metric('lanecast_join_seconds_count')) > reports, 'the hub gets reports')
  const { frozenMs } = await picturesAgain(page, from)
  // A busy machine may drop a picture or two; a lost WebSocket of before took seconds.
  t.true(frozenMs < 1000, `frozen for ${frozenMs} ms`)
  const after = await peerConnections(page)
  t.deepEqual({ ...after, local: null }, { ...before, local: null })
})

testInTurn(
  'a publisher that changes networks keeps its producers, and viewers their consumers',
  async (t) => {
    await using studio = await lab.openMachine()
    await using machine = await lab.openMachine()
    const token = await lab.hub.issueToken({ role: 'publisher', subject: 'roaming' })
    const sending = await studio.open('/publish/roaming')
    for (const [testId, value] of Object.entries({ codec: 'vp8', layers: 'single', height: '360' }))
      await sending.getByTestId(testId).selectOption(value)
    await sending.getByTestId('go-live').click()
    await sending.getByTestId('token').fill(token)
    await sending.getByTestId('use-token').click()
    await untilState(sending, 'live')
    const viewer = await lab.hub.issueToken({ role: 'viewer', subject: 'roaming' })
    const page = await machine.watch('roaming', viewer)
    const before = [await peerConnections(sending), await peerConnections(page)]
    const counted = await restarts('publisher')
    const from = Date.now()
    await studio.networks.change()
    const { againMs } = await picturesAgain(page, from)
    t.log(`again after ${againMs.toFixed()} ms`)
    const after = [await peerConnections(sending), await peerConnections(page)]
    const without = ({ made, ssrcs }: (typeof after)[number]) => ({ made, ssrcs })
    t.deepEqual(after.map(without), before.map(without))
    t.true((await restarts('publisher')) > counted)
  },
)

testInTurn('clients of WHIP and WHEP without a network for 12 s go on by PATCH', async (t) => {
  await Promise.all([goesOnByPatch(t, 'whip'), goesOnByPatch(t, 'whep')])
})

async function goesOnByPatch(t: ExecutionContext, door: 'whip' | 'whep'): Promise<void> {
  await using machine = await lab.openMachine()
  await using client = await RtcPage.on(await machine.open(door === 'whip' ? '/publish/sent' : '/healthz'))
  const token = await lab.hub.issueToken({ role: door === 'whip' ? 'publisher' : 'viewer', subject: door })
  const url = new URL(`/${door}/${door === 'whip' ? 'sent' : 'field'}`, lab.hub.url).href
  const made = door === 'whip' ? await client.publish(url, token) : await client.watch(url, token)
  t.is(made.status, 201, made.body)
  const session = new URL(made.headers['location'] ?? '', lab.hub.url).href
  const direction = door === 'whip' ? 'outbound-rtp' : 'inbound-rtp'
  const packets = async () => (await client.media(direction)).videoPackets
  await until(async () => (await packets()) > 50, 'media')
  await machine.networks.leave()
  // A publisher's consent is lost after 10 s; the session waits for another path.
  await rest(12_000)
  await machine.networks.use('mobile')
  // Chromium hears of the new address after 2 s.
  await rest(2500)
  const answer = await client.restartIce(session, token)
  t.is(answer.status, 200, answer.body)
  await until(async () => (await client.connectionState()) === 'connected', 'connected again')
  const before = await packets()
  await until(async () => (await packets()) > before + 50, 'media goes on')
  t.is(await lab.metric(`ice_restarts_total{by="client",of="${door}"}`), 1)
  if (door === 'whip') {
    const page = await (await lab.openMachine()).watch('sent', await lab.hub.issueToken({ role: 'viewer' }))
    t.is(await page.evaluate(() => document.documentElement.dataset['state']), 'live')
  }
}
