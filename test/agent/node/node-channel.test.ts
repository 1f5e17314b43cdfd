import { once } from 'node:events'
import test from 'ava'
import { z } from 'zod'
import { HubClient } from '../../../agent/node/hub-client.ts'
import { openHubSocket } from '../../../agent/node/hub-socket.ts'
import {
  commandViewSchema,
  nodeConfigViewSchema,
  nodeReportViewSchema,
} from '../../../common/wire/nodes-api.ts'
import { TestDevice } from '../../support/enrolled-device.ts'
import { startHub, type TestHub } from '../../support/hub.ts'
import { until } from '../../support/until.ts'

let hub: TestHub

test.before(async () => {
  hub = await startHub([], { workers: 1, args: ['--tls', 'on'] })
})
test.after.always(() => hub?.[Symbol.asyncDispose]())

const card = { stream_id: 'cam-1', source: { kind: 'test-card' } }
const configOf = async (node: string) =>
  nodeConfigViewSchema.parse((await hub.api('GET', `/v1/nodes/${node}/config`)).body)
const put = (node: string, config: object) => hub.api('PUT', `/v1/nodes/${node}/config`, config)
const tell = async (node: string, body: object) => {
  const { status, body: answer } = await hub.api('POST', `/v1/nodes/${node}/commands`, body)
  if (status !== 202) throw new Error(`${status} ${JSON.stringify(answer)}`)
  return commandViewSchema.parse(answer)
}
const commandOf = async (node: string, id: string) =>
  commandViewSchema.parse((await hub.api('GET', `/v1/nodes/${node}/commands/${id}`)).body)
const isState = (node: string, state: string) =>
  until(async () => (await configOf(node)).state === state, `${node} is ${state}`)
const isOver = async (node: string, id: string) => {
  await until(async () => (await commandOf(node, id)).ended_at !== null, `command ${id} is over`)
  return commandOf(node, id)
}

test('a device gets its document when it comes, whenever there is a newer one, and after a refusal at its next connection', async (t) => {
  await using device = await TestDevice.enrol(hub, 'van-1')
  t.like(await configOf('van-1'), { state: 'unconfigured', desired: null, actual: null, connected: false })
  t.like((await put('van-1', { broadcasts: [card] })).body, { state: 'pending', desired: { version: 1 } })
  await device.connect()
  await isState('van-1', 'applied')
  t.like(device.documents, { 0: { version: 1 }, length: 1 })
  t.like(await configOf('van-1'), { connected: true, actual: { version: 1 } })
  t.like((await hub.api('GET', '/v1/nodes/van-1')).body, { up: true })

  device.answers.configure = () => ({
    state: 'refused',
    code: 'no_camera',
    reason: 'no camera',
    details: ['a'],
  })
  await put('van-1', { broadcasts: [{ ...card, fps: 25 }] })
  await isState('van-1', 'refused')
  const refused = await configOf('van-1')
  t.like(refused, {
    desired: { version: 2 },
    actual: { version: 1 },
    refusal: { code: 'no_camera', details: ['a'] },
  })
  t.is(device.documents.length, 2)
  const alarms = async () => JSON.stringify((await hub.api('GET', '/v1/alarms')).body)
  t.regex(await alarms(), /node_config_refused.*node:van-1.*version 2: no camera/)

  delete device.answers.configure
  await device.disconnect()
  await until(async () => !(await configOf('van-1')).connected, 'the hub sees that the device is gone')
  await device.connect()
  await isState('van-1', 'applied')
  await until(async () => !(await alarms()).includes('node:van-1'), 'the alarm is over')
  const trail = await hub.api('GET', '/v1/audit?limit=1000')
  const { records } = z.object({ records: z.array(z.looseObject({ action: z.string() })) }).parse(trail.body)
  const made = records.filter(({ action, object }) => action === 'node.config' && object === 'node:van-1')
  t.deepEqual(
    made.map(({ actor, outcome }) => `${actor} ${outcome}`),
    ['node:van-1 applied', 'node:van-1 refused', 'node:van-1 applied'],
  )
  t.deepEqual(
    (await configOf('van-1')).history.map(({ version, made_by, current }) => [version, made_by, current]),
    [
      [2, 'user:admin', true],
      [1, 'user:admin', false],
    ],
  )
  t.like((await hub.api('GET', '/v1/nodes/van-1/config/versions/1')).body, {
    config: { broadcasts: [{ fps: 30 }] },
  })
  t.is((await hub.api('GET', '/v1/nodes/van-1/config/versions/7')).status, 404)
  t.is((await put('nobody', {})).status, 404)
})

test('a document that somebody applied at the device stands until there is a newer desired version', async (t) => {
  await using device = await TestDevice.enrol(hub, 'van-2')
  await put('van-2', { broadcasts: [card] })
  await device.connect()
  await isState('van-2', 'applied')
  device.apply('local', { ...device.documents[0]!.config, position: true })
  device.channel.tellActual(device.actual!)
  await isState('van-2', 'local')
  await device.disconnect()
  await device.connect()
  await until(async () => (await configOf('van-2')).connected, 'it is back')
  t.like(await configOf('van-2'), {
    state: 'local',
    actual: { version: 'local', config: { position: true } },
  })
  // A command starts from what the device really does.
  const { command_id } = await tell('van-2', { command: { do: 'stop', stream_id: 'cam-1' } })
  t.like(await isOver('van-2', command_id), { state: 'done', config_version: 2 })
  await isState('van-2', 'applied')
  t.like((await configOf('van-2')).desired, { config: { position: true, broadcasts: [{ on: false }] } })
})

test('commands are carried out in turn, once for one request, and those that change something become the next version', async (t) => {
  await using device = await TestDevice.enrol(hub, 'van-3')
  await put('van-3', { broadcasts: [{ ...card, on: false }] })
  const first = { request_id: 'r-1', command: { do: 'start', stream_id: 'cam-1' } }
  const start = await tell('van-3', first)
  t.like(start, { state: 'waiting', outcome: null })
  t.is((await tell('van-3', first)).command_id, start.command_id)
  const other = await hub.api('POST', '/v1/nodes/van-3/commands', { ...first, command: { do: 'reboot' } })
  t.like(other, { status: 409, body: { error: { code: 'request_reused' } } })
  const keyframe = await tell('van-3', { command: { do: 'keyframe', stream_id: 'cam-1' } })
  const gain = await tell('van-3', { command: { do: 'gain', stream_id: 'cam-1', gain_db: -6 } })
  const wrong = await tell('van-3', { command: { do: 'fps', stream_id: 'cam-7', fps: 25 } })
  await device.connect()
  t.like(await isOver('van-3', wrong.command_id), {
    state: 'refused',
    outcome: { code: 'broadcast_unknown', details: ['it has: cam-1'] },
  })
  t.like(await commandOf('van-3', start.command_id), { state: 'done', config_version: 2 })
  t.like(await commandOf('van-3', keyframe.command_id), { state: 'done', config_version: null })
  t.like(await commandOf('van-3', gain.command_id), { state: 'done', config_version: 3 })
  t.deepEqual(
    device.documents.map(({ version, config }) => [
      version,
      config.broadcasts[0]?.on,
      config.broadcasts[0]?.sound?.gain_db,
    ]),
    [
      [1, false, 0],
      [2, true, 0],
      [3, true, -6],
    ],
  )
  t.deepEqual(device.commands, [{ do: 'keyframe', stream_id: 'cam-1' }])
  await isState('van-3', 'applied')

  device.answers.configure = () => ({
    state: 'refused',
    code: 'beyond_device',
    reason: 'too fast',
    details: [],
  })
  const beyond = await tell('van-3', { command: { do: 'fps', stream_id: 'cam-1', fps: 60 } })
  t.like(await isOver('van-3', beyond.command_id), { state: 'refused', outcome: { code: 'beyond_device' } })
  t.like(await configOf('van-3'), { state: 'applied', desired: { version: 3 } })
  // The number of a refused version is never used again.
  delete device.answers.configure
  await put('van-3', { broadcasts: [] })
  await isState('van-3', 'applied')
  t.is((await configOf('van-3')).desired?.version, 5)
})

test('a command that nobody took in time expires, and one whose answer was lost is done once', async (t) => {
  await using device = await TestDevice.enrol(hub, 'van-4')
  await put('van-4', { broadcasts: [card] })
  const late = await tell('van-4', { expires_in_s: 1, command: { do: 'stop', stream_id: 'cam-1' } })
  await until(() => Date.now() > late.expires_at, 'its time is over')
  await device.connect()
  t.like(await isOver('van-4', late.command_id), { state: 'expired', outcome: null })
  t.is(device.documents.length, 1)

  // The connection is lost after the device has begun.
  const lost = Promise.withResolvers<void>()
  device.answers.command = async () => {
    lost.resolve()
    return { state: 'done', detail: 'rebooting' }
  }
  const reboot = await tell('van-4', { command: { do: 'reboot' } })
  await lost.promise
  await device.disconnect()
  await device.connect()
  t.is((await isOver('van-4', reboot.command_id)).state, 'done')
  t.deepEqual(device.commands, [{ do: 'reboot' }])
})

test('passwords are shown to nobody but the device, and a mask keeps them for the same source only', async (t) => {
  await using device = await TestDevice.enrol(hub, 'van-5')
  const camera = (url: string, password: string) => ({
    broadcasts: [{ stream_id: 'cam-1', source: { kind: 'rtsp', url, username: 'u', password } }],
  })
  const put1 = await put('van-5', camera('rtsp://10.0.0.2/main', 'tulip-7'))
  t.notRegex(JSON.stringify(put1.body), /tulip/)
  t.regex(JSON.stringify(put1.body), /"password":"\*{8}"/)
  await device.connect()
  await isState('van-5', 'applied')
  t.like(device.documents.at(-1)?.config.broadcasts[0]?.source, { password: 'tulip-7' })
  t.is((await put('van-5', { ...camera('rtsp://10.0.0.2/main', '********'), position: true })).status, 200)
  await until(() => device.documents.length === 2, 'the next version came')
  t.like(device.documents.at(-1)?.config, {
    position: true,
    broadcasts: [{ source: { password: 'tulip-7' } }],
  })
  const elsewhere = await put('van-5', camera('rtsp://10.6.6.6/main', '********'))
  t.like(elsewhere, { status: 400, body: { error: { code: 'bad_request' } } })
  const command = {
    do: 'source',
    stream_id: 'cam-1',
    source: { kind: 'srt', url: 'srt://10.0.0.3:9', passphrase: 'violet-violet' },
  }
  const { command_id } = await tell('van-5', { command })
  await isOver('van-5', command_id)
  t.like(device.documents.at(-1)?.config.broadcasts[0]?.source, { passphrase: 'violet-violet' })
  for (const path of ['config', 'commands', 'config/versions/1', 'report'])
    t.notRegex(JSON.stringify((await hub.api('GET', `/v1/nodes/van-5/${path}`)).body), /tulip|violet/, path)
  const trail = await hub.api('GET', '/v1/audit?limit=1000')
  t.regex(JSON.stringify(trail.body), /node\.configure/)
  t.notRegex(JSON.stringify(trail.body), /tulip|violet/)
})

test('a document in TOML is the same document, and its faults are told by their lines', async (t) => {
  await using _ = await TestDevice.enrol(hub, 'van-6')
  const send = async (body: string) => {
    const headers = { 'content-type': 'application/toml', authorization: `Bearer ${hub.adminToken}` }
    const response = await fetch(`${hub.url}/v1/nodes/van-6/config`, { method: 'PUT', headers, body })
    return { status: response.status, body: z.looseObject({}).parse(await response.json()) }
  }
  const good = await send(
    '[[broadcasts]]\nstream_id = "cam-1"\nfps = 25\n[broadcasts.source]\nkind = "test-card"\n',
  )
  t.like(good, { status: 200, body: { desired: { config: { broadcasts: [{ fps: 25, on: true }] } } } })
  const shown = await hub.api('GET', '/v1/nodes/van-6/config.toml')
  t.is(shown.headers.get('etag'), '"1"')
  const again = await send(String(shown.body).replace('fps = 25', 'fps = 24'))
  t.like(again, { status: 200, body: { desired: { version: 2, config: { broadcasts: [{ fps: 24 }] } } } })
  const bad = await send('[[broadcasts]]\nstream_id = "cam-1\n')
  t.is(bad.status, 400)
  t.regex(JSON.stringify(bad.body), /line 2/)
  t.is((await send('fps = 25\n')).status, 400)
})

test('the report tells each section with its age, and what a device says later takes the place of what it said before', async (t) => {
  await using device = await TestDevice.enrol(hub, 'van-7')
  t.like((await hub.api('GET', '/v1/nodes/van-7/report')).body, {
    connected: false,
    since: null,
    inputs: null,
  })
  device.report = { inputs: [{ kind: 'test-card', device: 'test-card', label: 'card', formats: [] }] }
  await device.connect()
  const reported = async () =>
    nodeReportViewSchema.parse((await hub.api('GET', '/v1/nodes/van-7/report')).body)
  await until(async () => (await reported()).connected, 'it is connected')
  t.like((await reported()).inputs, { value: [{ label: 'card' }] })
  device.channel.tellReport({ inputs: [], clock: { ahead_ms: 2, error_ms: 1, synchronised: true } })
  await until(async () => (await reported()).clock !== null, 'a section came')
  t.like(await reported(), { inputs: { value: [] }, clock: { value: { ahead_ms: 2 } }, system: null })
})

test('who may not, may not', async (t) => {
  await using device = await TestDevice.enrol(hub, 'van-8')
  const tokens = new Map<string, string>()
  for (const role of ['operator', 'director', 'publisher', 'viewer'])
    tokens.set(role, await hub.issueToken({ role }))
  const limited = await hub.issueToken({
    role: 'director',
    subject: 'cam-2-only',
    grants: { streams: ['cam-2'], actions: ['*'] },
  })
  const stop = { command: { do: 'stop', stream_id: 'cam-1' } }
  const ask = async (method: string, path: string, body: object | undefined, token: string | undefined) =>
    (await hub.api(method, `/v1/nodes/van-8/${path}`, body, token ?? null)).status
  const table = [
    ['operator', 200, 200, 202, 202],
    ['director', 200, 403, 202, 202],
    ['publisher', 403, 403, 403, 403],
    ['viewer', 403, 403, 403, 403],
    ['nobody', 401, 401, 401, 401],
  ] as const
  for (const [role, get, write, command, probe] of table) {
    const token = tokens.get(role)
    t.is(await ask('GET', 'report', undefined, token), get, `${role} reads`)
    t.is(await ask('PUT', 'config', { broadcasts: [card] }, token), write, `${role} configures`)
    t.is(await ask('POST', 'commands', stop, token), command, `${role} commands`)
    t.is(await ask('POST', 'commands', { command: { do: 'probe-encoders' } }, token), probe, `${role} probes`)
  }
  t.is(await ask('POST', 'commands', stop, limited), 403)
  t.is(await ask('POST', 'commands', { command: { do: 'stop', stream_id: 'cam-2' } }, limited), 202)
  t.is(await ask('POST', 'commands', { command: { do: 'reboot' } }, limited), 403)

  // A revoked node loses its channel, and gets no other.
  await device.connect()
  await until(async () => (await configOf('van-8')).connected, 'it is connected')
  await hub.api('POST', '/v1/nodes/van-8/revoke', { reason: 'keyCompromise' })
  await until(async () => !(await configOf('van-8')).connected, 'its connection is closed')
  await until(() => !device.channel.live, 'the device knows')
})

test('the uplinks that a device tells are its declared links, and a contract has an endpoint for each', async (t) => {
  await using device = await TestDevice.enrol(hub, 'van-9')
  const uplink = (link_id: string | null, kind: 'wired' | 'cellular' | 'other', carrier = true) => ({
    name: link_id ?? 'docker0',
    kind,
    carrier,
    mac: null,
    addresses: [],
    gateway: null,
    mtu: 1500,
    link_id,
    path: null,
    modem: null,
  })
  device.report = {
    interfaces: [uplink('eth0', 'wired'), uplink(null, 'other'), uplink('lte-1', 'cellular')],
  }
  await device.connect()
  const declared = async () => {
    const { body } = await hub.api('GET', '/v1/nodes/van-9')
    const { links } = z
      .object({ declared: z.object({ links: z.array(z.looseObject({})) }) })
      .parse(body).declared
    return links.map(({ link_id, medium, to }) => `${link_id} ${medium} ${to}`)
  }
  await until(async () => (await declared()).length === 2, 'its links are declared')
  t.deepEqual(await declared(), ['eth0 wired hub', 'lte-1 cellular hub'])
  const client = new HubClient({ hubUrl: hub.url, identity: () => device.identity })
  const { contract } = await client.publish({ stream_id: 'van-9' }, AbortSignal.timeout(10_000))
  t.deepEqual(contract.endpoints.flatMap(({ link }) => link ?? []).sort(), ['eth0', 'lte-1'])
  // Room for what is plugged in later.
  t.is(contract.endpoints.length, 4)

  device.channel.tellReport({ interfaces: [uplink('lte-1', 'cellular'), uplink('lte-2', 'cellular')] })
  await until(
    async () => (await declared()).length === 3,
    'the new one is declared, and the one that went stays for now',
  )
  const bound = await until(async () => {
    const { contract: next } = await client.renew(contract.contract_id, AbortSignal.timeout(10_000))
    const links = next.endpoints.flatMap(({ link }) => link ?? [])
    return links.includes('lte-2') || next.overlay.bindings.some(({ link_id }) => link_id === 'lte-2')
      ? links
      : null
  }, 'the running contract has the new link')
  t.log(bound)
})

test('a node has few connections at once, so that none takes the places of others', async (t) => {
  await using device = await TestDevice.enrol(hub, 'van-10')
  await using other = await TestDevice.enrol(hub, 'van-11')
  const open = async ({ identity }: TestDevice) => {
    const socket = await openHubSocket(
      new URL('/node', hub.url.replace('https', 'wss')),
      identity,
      AbortSignal.timeout(10_000),
      'protoo',
    )
    socket.on('error', () => {})
    const outcome = await Promise.race([
      once(socket, 'open').then(() => 'open'),
      once(socket, 'unexpected-response').then(([, answer]) => `refused by ${answer.statusCode}`),
    ])
    return { socket, outcome }
  }
  const opened = []
  for (let each = 0; each < 6; each += 1) opened.push(await open(device))
  t.deepEqual(
    opened.map(({ outcome }) => outcome),
    ['open', 'open', 'open', 'open', 'refused by 429', 'refused by 429'],
  )
  const unhindered = await open(other)
  t.is(unhindered.outcome, 'open')
  unhindered.socket.terminate()
  for (const { socket } of opened) socket.terminate()
  await device.connect()
  await until(async () => (await configOf('van-10')).connected, 'places that are given back are free')
})

test("what a node of the hub's own tells is for the hub's admin", async (t) => {
  await using _ = await TestDevice.enrol(hub, 'shared-1', undefined, null)
  const operator = await hub.issueToken({ role: 'operator' })
  // Every route of a field sender, as the hub lists them.
  const { paths: routes } = z
    .object({ paths: z.record(z.string(), z.looseObject({})) })
    .parse((await hub.api('GET', '/openapi.json')).body)
  const paths = Object.entries(routes)
    .flatMap(([path, methods]) => (methods['get'] ? [path] : []))
    .filter((path) => /^\/v1\/nodes\/\{node_id\}\/(config|commands|report)/.test(path))
    .map((path) =>
      path
        .replace(/^.*\{node_id\}/, '')
        .replace('{version}', '1')
        .replace('{command_id}', 'c'),
    )
  t.true(paths.length >= 6, paths.join(' '))
  const ask = async (token: string | undefined, path: string) =>
    (await hub.api('GET', `/v1/nodes/shared-1${path}`, undefined, token)).status
  for (const path of paths) t.is(await ask(operator, path), 403, path)
  for (const path of paths) t.not(await ask(hub.adminToken, path), 403, path)
  t.is(await ask(operator, ''), 200)
})
