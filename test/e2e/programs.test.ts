import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { z } from 'zod'
import { flowContractSchema } from '../../common/wire/flow-contract.ts'
import { programSchema, takeAnswerSchema } from '../../common/wire/programs-api.ts'
import { type ClipSender, startClipSender } from '../support/clip-sender.ts'
import { startHub, type TestHub, type TestHubOptions } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { PLAYER_OFFER } from '../support/offers.ts'
import { steps, TICKS_PER_MS } from '../support/rtp-timeline.ts'
import { switchProcesses } from '../support/switch-processes.ts'
import { freeUdpRange } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'
import { type ReceivedPacket, WeriftViewer } from '../support/werift-viewer.ts'

/** A real hub with two senders whose H.264 profiles tell which of them a viewer sees, and a program of the two. */

const PROFILES = { 'cam-1': 66, 'cam-2': 100 } as const
type Camera = keyof typeof PROFILES
const CAMERAS = ['cam-1', 'cam-2'] as const

const resources = new AsyncDisposableStack()
const keptState = await mkdtemp(join(tmpdir(), 'lanecast-programs-'))
let hub: TestHub
let options: TestHubOptions
let admin: string
let director: string
const senders = new Map<Camera, ClipSender>()

test.before(async () => {
  resources.defer(() => rm(keptState, { recursive: true, force: true }))
  const port = await freeUdpRange(20)
  options = {
    workers: 1,
    dataDir: join(keptState, 'data'),
    args: ['--rist-ports', `${port}-${port + 19}`],
  }
  hub = await startHub([], options)
  resources.defer(() => hub[Symbol.asyncDispose]())
  admin = hub.adminToken
  director = await hub.issueToken({ role: 'director', subject: 'ann' })
  const publisher = await hub.issueToken({ role: 'publisher' })
  for (const streamId of CAMERAS) {
    const kind = streamId === 'cam-1' ? 'baseline' : 'high'
    const path = await generateMedia(kind, { seconds: 120, kbps: 500 })
    const { body } = await hub.api('POST', '/v1/publish', { stream_id: streamId }, publisher)
    const { endpoints, keys } = flowContractSchema.parse(body)
    const secrets = {
      ports: endpoints.map((each) => each.port),
      passphrase: keys!.passphrase,
      username: keys!.username ?? '',
      password: keys!.password ?? '',
    }
    senders.set(streamId, resources.use(await startClipSender(secrets, { path, repeat: true })))
  }
  const made = await hub.api('POST', '/v1/programs', {
    program_id: 'main',
    class: 'director',
    inputs: CAMERAS,
  })
  if (made.status !== 201) throw new Error(JSON.stringify(made.body))
})

// A busy machine may have held up a sender.
test.serial.beforeEach(() => healthy())

test.after.always(() => resources.disposeAsync())

const ask = (method: string, path: string, body?: unknown, token: string | null = director) =>
  hub.api(method, `/v1/programs/main${path}`, body, token)
const take = (input: string, more: object = {}) => ask('POST', '/take', { input, ...more })
const program = async () => programSchema.parse((await ask('GET', '')).body)
const codeOf = ({ status, body }: { status: number; body: unknown }) =>
  status < 400 ? 'ok' : z.object({ error: z.object({ code: z.string() }) }).parse(body).error.code

/** Waits until both inputs can be taken, and one is on air. */
const healthy = () =>
  until(async () => {
    const { sources, on_air } = await program()
    return on_air !== null && sources.every(({ state }) => state === 'healthy')
  }, 'both cameras are healthy inputs')

/** The profile of a picture that begins in this packet (RFC 6184 section 5.7.1: SPS first, in a STAP-A). */
function profileIn({ payload }: ReceivedPacket): number | undefined {
  const at = (payload[0]! & 0x1f) === 24 ? 3 : 0
  return (payload[at]! & 0x1f) === 7 ? payload[at + 1] : undefined
}

/** Waits until the last picture that the viewer got is of this camera. */
async function sees(viewer: WeriftViewer, camera: Camera): Promise<void> {
  const { packets } = await viewer.track('video')
  const last = () => packets.findLast((packet) => profileIn(packet) !== undefined)
  await until(() => {
    const packet = last()
    return packet !== undefined && profileIn(packet) === PROFILES[camera]
  }, `pictures of ${camera}`)
}

test.serial('a take puts the other camera before all viewers, in the same stream', async (t) => {
  await using viewer = await WeriftViewer.open(hub.url, 'main', { token: director })
  await using own = await WeriftViewer.open(hub.url, 'cam-2', { token: director })
  t.is(codeOf(await take('cam-1')), 'ok')
  await sees(viewer, 'cam-1')
  const track = await viewer.track('video')
  for (const camera of ['cam-2', 'cam-1', 'cam-2'] as const) {
    const askedAt = Date.now()
    const taken = takeAnswerSchema.parse((await take(camera)).body)
    t.is(taken.input, camera)
    t.true(taken.at_unix_ms >= askedAt - 1 && taken.at_unix_ms <= Date.now() + 1, `${taken.at_unix_ms}`)
    await sees(viewer, camera)
    t.like(await program(), { on_air: camera, slate: false, sound_of: camera })
  }
  await until(() => track.packets.length > 300, 'more of it')
  for (const kind of ['video', 'audio'] as const) {
    const { packets } = await viewer.track(kind)
    const all = steps(packets, TICKS_PER_MS[kind])
    t.deepEqual(
      all.filter(({ sequence }) => sequence !== 1),
      [],
      `${kind}: every packet follows the one before`,
    )
    t.true(
      all.every(({ mediaMs }) => mediaMs >= 0),
      `${kind}: time moves on`,
    )
  }
  t.is(viewer.tracks.length, 2)
  t.deepEqual(viewer.rejoins, [])
  await own.track('video')
  t.true((await hub.metric('lanecast_takes_total{outcome="taken"}')) >= 4)
  const trail = await hub.api('GET', '/v1/audit?action=program.take')
  t.regex(JSON.stringify(trail.body), /"actor":"user:ann"/)
})

test.serial('the sound of another input, and an input that is armed', async (t) => {
  t.is(codeOf(await take('cam-1', { audio: 'cam-2' })), 'ok')
  t.like(await program(), { on_air: 'cam-1', sound_of: 'cam-2' })
  t.is(codeOf(await take('cam-2', { audio: 'ghost' })), 'input_not_found')
  t.is(codeOf(await ask('POST', '/preview', { input: 'ghost' })), 'input_not_found')
  t.is(codeOf(await ask('POST', '/preview', { input: 'cam-2' })), 'ok')
  t.is((await program()).preview, 'cam-2')
  t.is(codeOf(await take('cam-2')), 'ok')
  t.is(codeOf(await ask('POST', '/preview', { input: null })), 'ok')
  t.like(await program(), { on_air: 'cam-2', preview: null })
})

test.serial('a program is a stream to publishers, WHEP players and those who set priorities', async (t) => {
  const publisher = await hub.issueToken({ role: 'publisher' })
  t.is(codeOf(await hub.api('POST', '/v1/publish', { stream_id: 'main' }, publisher)), 'stream_exists')
  // Nothing was sent to it yet, and its codecs are known: a page may wait for them.
  t.is((await hub.api('POST', '/v1/programs', { program_id: 'later', inputs: ['nobody'] })).status, 201)
  const offer = (streamId: string) =>
    fetch(`${hub.url}/whep/${streamId}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/sdp',
        authorization: `Bearer ${director}`,
        origin: 'https://player.example',
      },
      body: PLAYER_OFFER,
    })
  for (const streamId of ['main', 'later']) {
    const answer = await offer(streamId)
    t.is(answer.status, 201, await answer.text())
  }
  const later = hub.api('POST', '/v1/programs/later/take', { input: 'nobody', at_unix_ms: Date.now() + 5000 })
  await setTimeout(200)
  t.is((await hub.api('DELETE', '/v1/programs/later')).status, 204)
  t.is(codeOf(await later), 'gone')
  t.is(codeOf(await hub.api('PUT', '/v1/streams/main/priority', { priority: 200 })), 'ok')
  t.like((await hub.api('GET', '/v1/streams/main/statistics')).body, { priority: 200 })
})

test.serial('with auto the order of the inputs counts, but for what was taken by hand', async (t) => {
  const follows = (path: string, body: object) =>
    hub.api('POST', `/v1/programs/follow${path}`, body, director)
  const shows = (camera: Camera, what: string) =>
    until(async () => {
      const { body } = await hub.api('GET', '/v1/programs/follow', undefined, director)
      return programSchema.parse(body).on_air === camera
    }, what)
  const made = { program_id: 'follow', inputs: CAMERAS, auto: true, return_after_ms: 0 }
  t.is((await hub.api('POST', '/v1/programs', made)).status, 201)
  await shows('cam-1', 'the first input')
  await until(async () => codeOf(await follows('/take', { input: 'cam-2' })) === 'ok', 'cam-2 can be taken')
  await setTimeout(300)
  await shows('cam-2', 'what was taken')
  t.is(codeOf(await follows('/auto', { auto: true })), 'ok')
  await shows('cam-1', 'the first input, as soon as auto is asked for anew')
  t.is(codeOf(await follows('/auto', { auto: false })), 'ok')
  t.is((await hub.api('DELETE', '/v1/programs/follow')).status, 204)
})

test.serial('a take at a time happens then; a take before it happens first', async (t) => {
  const at = Date.now() + 1500
  const later = take('cam-1', { at_unix_ms: at })
  t.is(codeOf(await take('cam-2')), 'ok')
  t.true(Date.now() < at)
  const { at_unix_ms } = takeAnswerSchema.parse((await later).body)
  t.true(at_unix_ms >= at && at_unix_ms < at + 1500, `${at_unix_ms - at} ms after its time`)
  t.is((await program()).on_air, 'cam-1')
})

test.serial('the same request id is one take', async (t) => {
  const { switches } = await program()
  const body = { request_id: 'cut-1' }
  const answers = await Promise.all(Array.from({ length: 8 }, () => take('cam-2', body)))
  t.deepEqual(new Set(answers.map((each) => JSON.stringify(each.body))).size, 1)
  t.is(codeOf(answers[0]!), 'ok')
  t.is(codeOf(await take('cam-1', body)), 'request_reused')
  t.is((await program()).switches, switches + 1)
})

test.serial(
  'what is not there, not live, or of another tenant is refused, and on air stays what is',
  async (t) => {
    const before = await program()
    await hub.api('PUT', '/v1/tenants/rival', { display_name: 'Rival' })
    const rival = await hub.issueToken({ role: 'operator', tenant_id: 'rival' })
    await hub.api('POST', '/v1/publish', { stream_id: 'theirs', preferred_transports: ['webrtc'] }, rival)
    const publisher = await hub.issueToken({ role: 'publisher', subject: 'other' })
    await hub.api('POST', '/v1/publish', { stream_id: 'quiet', preferred_transports: ['webrtc'] }, publisher)
    t.is(
      (await hub.api('PATCH', '/v1/programs/main', { inputs: [...CAMERAS, 'quiet', 'theirs'] })).status,
      200,
    )
    for (const [input, code] of [
      ['ghost', 'input_not_found'],
      ['main', 'input_not_found'],
      ['quiet', 'input_not_live'],
      // Named, and not there: a stream of another tenant does not exist.
      ['theirs', 'input_not_live'],
    ] as const)
      t.is(codeOf(await take(input)), code, input)
    for (const [method, path, body] of [
      ['GET', ''],
      ['POST', '/take', { input: 'cam-1' }],
      ['POST', '/lock', {}],
      ['DELETE', ''],
    ] as const)
      t.is(codeOf(await ask(method, path, body, rival)), 'program_not_found', path)
    const viewer = await hub.issueToken({ role: 'viewer' })
    t.is((await ask('POST', '/take', { input: 'cam-1' }, viewer)).status, 403)
    t.is((await ask('PATCH', '', { inputs: ['cam-1'] })).status, 403)
    t.is((await ask('POST', '/take', { input: 'cam-1' }, null)).status, 401)
    t.is((await hub.api('PATCH', '/v1/programs/main', { inputs: CAMERAS })).status, 200)
    t.like(await program(), { on_air: before.on_air, switches: before.switches })
  },
)

test.serial('a thousand takes in a second: 429, and the hub goes on', async (t) => {
  const flooder = await hub.issueToken({ role: 'director', subject: 'flooder' })
  await using viewer = await WeriftViewer.open(hub.url, 'main', { token: director })
  const startedAt = performance.now()
  const answers = await Promise.all(
    Array.from({ length: 1000 }, (_, n) => ask('POST', '/take', { input: CAMERAS[n % 2] }, flooder)),
  )
  t.log(`${Math.round(performance.now() - startedAt)} ms`)
  const counts = Object.fromEntries(
    Object.entries(Object.groupBy(answers, codeOf)).map(([code, all]) => [code, all?.length ?? 0]),
  )
  t.log(counts)
  t.deepEqual(Object.keys(counts).sort(), ['ok', 'too_many_requests'])
  t.true(counts['ok']! <= 20 + 10 * Math.ceil((performance.now() - startedAt) / 1000))
  t.is(answers.find((each) => each.status === 429)?.headers.get('retry-after'), '1')
  // Another asker is not held up.
  t.is(codeOf(await take('cam-1')), 'ok')
  await sees(viewer, 'cam-1')
})

test.serial('takes while the switch process is killed again and again', async (t) => {
  await using viewer = await WeriftViewer.open(hub.url, 'main', { token: director })
  await sees(viewer, 'cam-1')
  for (const camera of ['cam-2', 'cam-1', 'cam-2'] as const) {
    await healthy()
    const [pid] = switchProcesses(hub.pid)
    const asked = take(camera)
    process.kill(pid!, 'SIGKILL')
    const startedAt = performance.now()
    const answer = await asked
    t.is(codeOf(answer), 'ok', JSON.stringify(answer.body))
    t.log(`answered ${Math.round(performance.now() - startedAt)} ms after the kill`)
    await sees(viewer, camera)
    t.is((await program()).on_air, camera)
  }
  t.is(viewer.tracks.length, 2)
  t.deepEqual(viewer.rejoins, [])
})

test.serial('a program of programs, and a lock', async (t) => {
  const made = await hub.api('POST', '/v1/programs', { program_id: 'out', inputs: ['main', 'cam-1'] })
  t.is(made.status, 201)
  t.is(codeOf(await hub.api('PATCH', '/v1/programs/main', { inputs: ['cam-*', 'o*'] })), 'program_loop')
  await using viewer = await WeriftViewer.open(hub.url, 'out', { token: director })
  await until(
    async () => codeOf(await hub.api('POST', '/v1/programs/out/take', { input: 'main' })) === 'ok',
    'main on out',
  )
  for (const camera of ['cam-2', 'cam-1'] as const) {
    t.is(codeOf(await take(camera)), 'ok')
    await sees(viewer, camera)
  }
  t.is(codeOf(await ask('POST', '/lock', { seconds: 600 })), 'ok')
  const bob = await hub.issueToken({ role: 'director', subject: 'bob' })
  t.is(codeOf(await ask('POST', '/take', { input: 'cam-1' }, bob)), 'program_locked')
  t.is(codeOf(await ask('POST', '/lock', { break: true }, bob)), 'program_locked')
  t.is(codeOf(await take('cam-2')), 'ok')
  await sees(viewer, 'cam-2')
  t.is(codeOf(await ask('POST', '/lock', { break: true }, admin)), 'ok')
  t.is(codeOf(await take('cam-2')), 'program_locked')
  t.is((await ask('DELETE', '/lock', undefined, admin)).status, 204)
  t.is((await hub.api('DELETE', '/v1/programs/out')).status, 204)
  await until(() => viewer.state === 'ended', 'the end of the program is told')
  t.is(codeOf(await hub.api('POST', '/v1/subscribe', { stream_id: 'out' }, director)), 'stream_not_found')
})

test.serial('after kill -9 of the hub the program is there again, with what was on air', async (t) => {
  t.is(codeOf(await take('cam-2')), 'ok')
  t.is(codeOf(await ask('POST', '/lock', { seconds: 600 })), 'ok')
  hub.process.kill('SIGKILL')
  await hub.stop()
  hub = await startHub([], options)
  t.like((await hub.api('GET', '/v1/streams/main/statistics', undefined, director)).body, { priority: 200 })
  t.like(await program(), { auto: false, lock: { holder: 'user:ann' }, inputs: [...CAMERAS] })
  await using viewer = await WeriftViewer.open(hub.url, 'main', { token: director })
  await sees(viewer, 'cam-2')
  const { packets } = await viewer.track('video')
  t.deepEqual(new Set(packets.map(profileIn).filter((profile) => profile !== undefined)), new Set([100]))
  t.is((await program()).on_air, 'cam-2')
  await healthy()
  t.is(codeOf(await take('cam-1')), 'ok')
  await sees(viewer, 'cam-1')
})
