import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import { streamSummarySchema } from '../../../common/wire/flows-api.ts'
import { type FieldSender, startFieldSender } from '../../support/field-sender.ts'
import { startHub, type TestHub } from '../../support/hub.ts'
import { freeUdpRange } from '../../support/udp-ports.ts'
import { until } from '../../support/until.ts'
import { WeriftViewer } from '../../support/werift-viewer.ts'

const auditSchema = z.object({ records: z.array(z.looseObject({ action: z.string(), outcome: z.string() })) })

async function switchedOf(hub: TestHub, token = hub.adminToken) {
  const { body } = await hub.api('GET', '/v1/streams/cam1', undefined, token)
  return streamSummarySchema.parse(body)
}

async function alarmsAt(hub: TestHub): Promise<string[]> {
  const { body } = await hub.api('GET', '/v1/alarms')
  const { alarms } = z
    .object({ alarms: z.array(z.object({ kind: z.string(), subject: z.string() })) })
    .parse(body)
  return alarms.map(({ kind, subject }) => `${kind} ${subject}`)
}

/** A sender of one input of `cam1`, by the contract that it asks for. */
const startSender = (hub: TestHub, token: string, input: 'primary' | 'standby'): Promise<FieldSender> =>
  startFieldSender({
    hub_url: hub.url,
    token,
    stream_id: 'cam1',
    class: 'director',
    input,
    card: { name: input, width: 320, height: 180, videoKbps: 400 },
  })

test('a standby takes over from a dead sender and gives back; each switch is told with its reason', async (t) => {
  t.timeout(120_000)
  const ports = await freeUdpRange(20)
  await using hub = await startHub([], { workers: 1, args: ['--rist-ports', `${ports}-${ports + 19}`] })
  const start = async (input: 'primary' | 'standby') =>
    await startSender(hub, await hub.issueToken({ role: 'publisher', subject: input }), input)
  const shows = (input: string) =>
    until(async () => (await switchedOf(hub)).switched?.on_air === input, `${input} is on air`, 20_000)

  await using first = await start('primary')
  await shows('cam1.primary')
  await using spare = await start('standby')
  const healthy = async () =>
    (await switchedOf(hub)).switched?.inputs.filter(({ state }) => state === 'healthy').length
  await until(async () => (await healthy()) === 2, 'both inputs are healthy', 20_000)
  await using viewer = await WeriftViewer.open(hub.url, 'cam1', { token: hub.adminToken })
  const video = await viewer.track('video')
  await until(() => video.packets.length > 50, 'the viewer gets pictures')

  const killedAt = performance.now()
  await first.kill()
  await shows('cam1.standby')
  t.log(`the standby was on air ${Math.round(performance.now() - killedAt)} ms after the kill`)
  t.is((await switchedOf(hub)).state, 'live')
  await until(async () => (await alarmsAt(hub)).includes('on_standby stream:cam1'), 'the alarm is raised')

  await using again = await start('primary')
  const backAt = performance.now()
  await shows('cam1.primary')
  t.true(performance.now() - backAt > 3000, 'it proved itself first')
  await until(async () => !(await alarmsAt(hub)).includes('on_standby stream:cam1'), 'the alarm is cleared')

  // By hand the standby stays on air, though the primary is healthy.
  const takenAt = Date.now()
  const taken = await hub.api('POST', '/v1/streams/cam1/take', { input: 'cam1.standby' })
  t.like(
    taken,
    { status: 200, body: { stream_id: 'cam1', input: 'cam1.standby' } },
    JSON.stringify(taken.body),
  )
  t.log(`the take was answered after ${Date.now() - takenAt} ms`)
  t.is((await switchedOf(hub)).switched?.on_air, 'cam1.standby')

  await Promise.all([again.kill(), spare.kill()])
  await shows('slate')
  t.is((await switchedOf(hub)).state, 'input_lost')
  await using last = await start('standby')
  await shows('cam1.standby')
  t.truthy(last.pid)

  // The viewer never had to join again.
  t.is(viewer.state, 'live')
  t.is(viewer.tracks.filter(({ kind }) => kind === 'video').length, 1)
  const seen = video.packets.length
  await until(() => video.packets.length > seen + 10, 'pictures go on')
  // On a busy machine a sender may be silent for a moment, too.
  for (const cause of ['first', 'returned', 'taken', 'back'])
    t.true((await hub.metric(`switches_total{cause="${cause}"}`)) >= 1, cause)
  const { body } = await hub.api('GET', '/v1/audit?limit=200')
  const switches = auditSchema.parse(body).records.filter(({ action }) => action === 'stream.switch')
  t.true(switches.length >= 5, JSON.stringify(switches))
  t.true(switches.some(({ outcome }) => outcome === 'returned'))
  t.true(auditSchema.parse(body).records.some(({ action }) => action === 'stream.take'))
})

test('senders of inputs come back after kill -9 of the hub; a revoked input gives way at once', async (t) => {
  t.timeout(90_000)
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-standby-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const ports = await freeUdpRange(20)
  const options = {
    workers: 1,
    dataDir: join(folder, 'data'),
    args: ['--rist-ports', `${ports}-${ports + 19}`],
  }
  await using first = await startHub([], options)
  const token = await first.issueToken({ role: 'publisher' })
  const onAir = async (hub: TestHub) => (await switchedOf(hub, first.adminToken)).switched?.on_air
  await using _spare = await startSender(first, token, 'standby')
  await using _main = await startSender(first, token, 'primary')
  await until(async () => (await onAir(first)) === 'cam1.primary', 'the primary is on air', 20_000)

  first.process.kill('SIGKILL')
  await first.stop()
  const downAt = performance.now()
  await using second = await startHub([], { ...options, bind: new URL(first.url).host })
  await until(async () => (await onAir(second)) === 'cam1.primary', 'the primary is on air again', 30_000)
  t.log(`on air again ${Math.round(performance.now() - downAt)} ms after the hub was gone`)

  const { body } = await second.api('GET', '/v1/flows', undefined, first.adminToken)
  const { flows } = z
    .object({
      flows: z.array(z.object({ contract_id: z.string(), stream_id: z.string(), on_air: z.boolean() })),
    })
    .parse(body)
  const revoked = flows.find(({ stream_id }) => stream_id === 'cam1.primary')
  t.is(revoked?.on_air, true)
  const revokedAt = performance.now()
  const path = `/v1/flows/${revoked?.contract_id}`
  t.is((await second.api('DELETE', path, undefined, first.adminToken)).status, 204)
  await until(async () => (await onAir(second)) === 'cam1.standby', 'the standby is on air')
  t.log(`the standby was on air ${Math.round(performance.now() - revokedAt)} ms after the revocation`)
  t.true((await second.metric('switches_total{cause="absent"}')) >= 1)
})
