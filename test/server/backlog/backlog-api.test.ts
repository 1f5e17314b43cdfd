import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { startHub, type TestHub } from '../../support/hub.ts'

const folder = mkdtempSync(join(tmpdir(), 'lanecast-backlog-'))
let hub: TestHub
let sender: string
let viewer: string
let operator: string

const start = () =>
  startHub([], {
    workers: 1,
    dataDir: join(folder, 'data'),
    args: ['--backlog-mb-per-stream', '3', '--backlog-mb-per-tenant', '5'],
  })

test.before(async () => {
  hub = await start()
  sender = await hub.issueToken({
    role: 'publisher',
    grants: { streams: ['cam*'], actions: ['publish', 'stream.read'] },
  })
  operator = await hub.issueToken({ role: 'operator' })
  viewer = await hub.issueToken({ role: 'viewer', grants: { streams: ['cam1'], actions: ['subscribe'] } })
})
test.after.always(async () => {
  await hub?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const ts = (bytes: number, mark = 0): Buffer => {
  const media = Buffer.alloc(Math.ceil(bytes / 188) * 188, mark)
  for (let at = 0; at < media.length; at += 188) media[at] = 0x47
  return media
}

async function ask(method: string, path: string, token: string | null, body?: Buffer, type = 'video/mp2t') {
  const response = await fetch(`${hub.url}/v1/streams/${path}`, {
    method,
    headers: { ...(token && { authorization: `Bearer ${token}` }), ...(body && { 'content-type': type }) },
    ...(body && { body: new Uint8Array(body) }),
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false
  return { status: response.status, bytes, json: isJson ? JSON.parse(bytes.toString()) : null }
}

test.serial(
  'a segment is kept, listed by its capture times, read, kept across a start, and deleted',
  async (t) => {
    const media = ts(300_000, 7)
    t.is((await ask('PUT', 'cam1/backlog/1000-3000', sender, media)).status, 204)
    t.is((await ask('PUT', 'cam1/backlog/1000-3000', sender, media)).status, 204)
    t.is((await ask('PUT', 'cam1/backlog/3001-5000', sender, ts(1000))).status, 204)
    const listed = await ask('GET', 'cam1/backlog?from=3001&to=9000', sender)
    t.deepEqual(listed.json, { segments: [{ from: 3001, to: 5000, bytes: 1128 }], more: false })
    await hub[Symbol.asyncDispose]()
    hub = await start()
    t.deepEqual((await ask('GET', 'cam1/backlog/1000-3000', viewer)).bytes, media)
    t.is((await ask('GET', 'cam1/backlog/1000-3001', viewer)).json.error.code, 'segment_not_found')
    const metric = await hub.metric('lanecast_backlog_bytes_total')
    t.is(metric, 0)
  },
)

test.serial(
  'who may not publish a stream puts nothing, and who may not watch it reads nothing',
  async (t) => {
    t.is((await ask('PUT', 'cam1/backlog/1-2', viewer, ts(188))).status, 403)
    t.is((await ask('PUT', 'other/backlog/1-2', sender, ts(188))).status, 403)
    t.is((await ask('PUT', 'cam1/backlog/1-2', null, ts(188))).status, 401)
    t.is((await ask('GET', 'cam2/backlog/1-2', viewer)).status, 403)
    t.is((await ask('DELETE', 'cam1/backlog/1000-3000', viewer)).status, 403)
  },
)

for (const [what, path, body, type, status, code] of [
  ['what is no MPEG-TS', '5-6', Buffer.from('x'.repeat(188)), 'video/mp2t', 400, 'segment_invalid'],
  ['half a packet', '5-6', ts(188).subarray(0, 100), 'video/mp2t', 400, 'segment_invalid'],
  ['another type', '5-6', ts(188), 'video/mp4', 415, 'unsupported_media_type'],
  ['an end before the beginning', '6-5', ts(188), 'video/mp2t', 400, 'bad_request'],
  ['an hour', '0-3600000', ts(188), 'video/mp2t', 400, 'bad_request'],
  ['more than a segment', '5-6', ts(4_200_000), 'video/mp2t', 413, 'body_too_large'],
  ['more than a stream may have', '5-6', ts(3_500_000), 'video/mp2t', 413, 'segment_too_large'],
  ['other media of the same times', '1000-3000', ts(188), 'video/mp2t', 409, 'segment_differs'],
] satisfies [string, string, Buffer, string, number, string][])
  test.serial(`refused: ${what}`, async (t) => {
    const answer = await ask('PUT', `cam1/backlog/${path}`, sender, body, type)
    t.is(answer.status, status)
    t.is(answer.json.error.code, code)
  })

test.serial('the oldest gives way to the bounds of the stream and of the tenant', async (t) => {
  for (const from of [10_000, 20_000, 30_000, 40_000])
    t.is((await ask('PUT', `cam3/backlog/${from}-${from + 9}`, sender, ts(900_000))).status, 204)
  const of = async (stream: string): Promise<number[]> =>
    (await ask('GET', `${stream}/backlog`, sender)).json.segments.map(({ from }: { from: number }) => from)
  t.deepEqual(await of('cam3'), [20_000, 30_000, 40_000])
  for (const from of [50_000, 60_000, 70_000])
    t.is((await ask('PUT', `cam4/backlog/${from}-${from + 9}`, sender, ts(900_000))).status, 204)
  t.deepEqual(await of('cam1'), [])
  t.deepEqual([...(await of('cam3')), ...(await of('cam4'))], [30_000, 40_000, 50_000, 60_000, 70_000])
  t.is(await hub.metric('lanecast_backlog_gave_way_total'), 4)
  t.is((await ask('DELETE', 'cam4/backlog/50000-50009', operator)).status, 204)
  t.is((await ask('DELETE', 'cam4/backlog/50000-50009', operator)).status, 404)
  t.deepEqual(await of('cam4'), [60_000, 70_000])
})
