import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type FlowContract, flowContractSchema } from '../../../common/wire/flow-contract.ts'
import { streamSummarySchema } from '../../../common/wire/flows-api.ts'
import { startFieldSender } from '../../support/field-sender.ts'
import { startHub, type TestHub } from '../../support/hub.ts'
import { freeUdpRange } from '../../support/udp-ports.ts'
import { until } from '../../support/until.ts'
import { type ReceivedTrack, WeriftViewer } from '../../support/werift-viewer.ts'

/**
 * Media by contracts, with a sender that knows nothing of them but endpoints and keys, as ristsender does: what makes
 * it stop is the hub alone.
 */

/** The shortest life a policy may give a contract, s. */
const LIFE_S = 10
/** Media must stop this soon after a contract's end, ms. */
const STOPS_WITHIN_MS = 2000
/** Nothing may come for this long before media counts as stopped, ms. */
const QUIET_MS = 500

const ristPorts = async () => {
  const first = await freeUdpRange(20)
  return ['--rist-ports', `${first}-${first + 19}`]
}

async function publish(hub: TestHub, token: string, stream_id: string): Promise<FlowContract> {
  const answer = await hub.api('POST', '/v1/publish', { stream_id, class: 'director' }, token)
  return flowContractSchema.parse(answer.body)
}

/** A small test card, sent with what the contract says and nothing else. */
function send({ endpoints, keys, stream_id }: FlowContract) {
  const { passphrase, aes_bits, username = '', password = '' } = keys!
  return startFieldSender({
    links: endpoints.map(({ address, port }) => ({ host: address, port })),
    bufferMs: 60,
    passphrase,
    aesBits: aes_bits,
    username,
    password,
    card: { name: stream_id, width: 320, height: 180, videoKbps: 400 },
  })
}

const stateOf = async (hub: TestHub, streamId: string, token: string) => {
  const { status, body } = await hub.api('GET', `/v1/streams/${streamId}`, undefined, token)
  return status === 200 ? streamSummarySchema.parse(body).state : status
}

/** `performance.now()` of the last packet, once none has come for a while. */
async function lastPacketOf({ packets }: ReceivedTrack): Promise<number> {
  await until(() => performance.now() - packets.at(-1)!.at > QUIET_MS, 'media has stopped')
  return packets.at(-1)!.at
}

function stoppedInTime(t: ExecutionContext, what: string, ms: number): void {
  t.log(`${what}: the last packet came ${Math.round(ms)} ms after the end`)
  t.true(ms < STOPS_WITHIN_MS, `${what}: ${ms} ms`)
}

test('media flows by contracts: it stops with an expired or revoked contract, not with a renewed one', async (t) => {
  t.timeout(60_000)
  await using hub = await startHub([], { workers: 1, args: await ristPorts() })
  await hub.putPolicy({ limits: { contract_seconds: LIFE_S } })
  const publisher = await hub.issueToken({ role: 'publisher' })
  const token = await hub.issueToken({ role: 'viewer' })
  await using stack = new AsyncDisposableStack()
  const start = async (streamId: string) => {
    const contract = await publish(hub, publisher, streamId)
    t.true(contract.expires_at - Date.now() <= LIFE_S * 1000)
    stack.use(await send(contract))
    await until(async () => (await stateOf(hub, streamId, token)) === 'live', `${streamId} is live`)
    const viewer = stack.use(await WeriftViewer.open(hub.url, streamId, { token }))
    return { contract, viewer, video: await viewer.track('video') }
  }
  const renewed = await start('renewed')
  const renewals = setInterval(() => {
    const path = `/v1/flows/${renewed.contract.contract_id}/renew`
    hub.api('POST', path, undefined, publisher).catch(() => {})
  }, 2000)
  stack.defer(() => clearInterval(renewals))

  const revoked = await start('revoked')
  const revokedAt = performance.now()
  await hub.api('DELETE', `/v1/flows/${revoked.contract.contract_id}`)
  stoppedInTime(t, 'revoked', (await lastPacketOf(revoked.video)) - revokedAt)
  t.is((await revoked.viewer.closed).cause, 'revoked')
  t.is(revoked.viewer.state, 'ended')
  t.is(await stateOf(hub, 'revoked', token), 404)

  const expiring = await start('expiring')
  const expiresIn = expiring.contract.expires_at - Date.now()
  const expiresAt = performance.now() + expiresIn
  await until(() => performance.now() > expiresAt, 'the contract is over', LIFE_S * 1000)
  const last = await lastPacketOf(expiring.video)
  stoppedInTime(t, 'expired', last - expiresAt)
  t.true(last > expiresAt - 1000, 'it ran to its end')
  t.is(await stateOf(hub, 'expiring', token), 404)
  // A viewer's contract is over with the stream's, or a moment later with its own time.
  t.true(['revoked', 'expired'].includes((await expiring.viewer.closed).cause))

  // Its first contract would have been over long ago.
  t.true(Date.now() > renewed.contract.expires_at)
  t.is(await stateOf(hub, 'renewed', token), 'live')
  t.is(await stateOf(hub, 'expiring', token), 404)
})

test('after kill -9 the contract is there with its ports, keys and priority, and its sender returns by itself', async (t) => {
  t.timeout(60_000)
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-flows-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const dataDir = join(folder, 'data')
  const args = await ristPorts()
  await using first = await startHub([], { workers: 1, dataDir, args })
  const publisher = await first.issueToken({ role: 'publisher' })
  const token = await first.issueToken({ role: 'viewer' })
  const granted = await publish(first, publisher, 'cam-1')
  const gone = await publish(first, publisher, 'cam-2')
  t.is((await first.api('DELETE', `/v1/flows/${gone.contract_id}`)).status, 204)
  await using _sender = await send(granted)
  await using viewer = await WeriftViewer.open(first.url, 'cam-1', { token })
  await viewer.track('video')
  const priority = await first.api('PUT', '/v1/streams/cam-1/priority', { priority: 200 })
  t.is(priority.status, 200)

  first.process.kill('SIGKILL')
  await viewer.closed
  await first.stop()
  const downAt = performance.now()
  await using second = await startHub([], { workers: 1, dataDir, args, bind: new URL(first.url).host })
  const upMs = performance.now() - downAt
  await until(async () => (await stateOf(second, 'cam-1', token)) === 'live', 'the sender is back', 20_000)
  await using back = await WeriftViewer.open(second.url, 'cam-1', { token })
  await back.track('video')
  t.log(
    `hub up after ${Math.round(upMs)} ms, watched again after ${Math.round(performance.now() - downAt)} ms`,
  )

  const { body } = await second.api('GET', '/v1/streams/cam-1/statistics', undefined, first.adminToken)
  t.like(body, { priority: 200 })

  // A stream that was revoked before stays revoked, and a caller who asks again gets the very same contract.
  t.is(await stateOf(second, 'cam-2', token), 404)
  const again = await publish(second, publisher, 'cam-1')
  t.is(again.contract_id, granted.contract_id)
  t.deepEqual([again.keys, again.endpoints], [granted.keys, granted.endpoints])
})
