import { execFile } from 'node:child_process'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { z } from 'zod'
import { Endpoint } from '../../common/net/endpoint.ts'
import { CLASS } from '../../common/stun/stun-types.ts'
import type { IceAccess } from '../../common/wire/flow-contract.ts'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { nodeKey } from '../server/auth/node-key.ts'
import { Chromium } from '../support/chromium.ts'
import { type Coturn, startCoturn } from '../support/coturn.ts'
import { type FieldSender, sendCard } from '../support/field-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { openOverRelay } from '../support/relay-page.ts'
import { TurnClient } from '../support/turn-client.ts'
import { freeUdpPorts, freeUdpRange } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'
import { untilPicturesMove, untilState } from '../support/watch-page.ts'

/** Debian's coturn with the configuration that we make for it: beside the hub, and as a relay elsewhere. */

let coturn: Coturn
let elsewhere: Coturn
let hub: TestHub
let sender: FieldSender
let ports: { readonly beside: number; readonly elsewhere: number }

const turnFlags = (port: number, first: number, more: readonly string[] = []) => [
  ...['--turn-port', String(port), '--turn-tls-port', '0'],
  ...['--turn-relay-ports', `${first}-${first + 99}`, ...more],
]

test.before(async (t) => {
  t.timeout(60_000)
  const [beside = 0, other = 0] = await freeUdpPorts(2)
  ports = { beside, elsewhere: other }
  const deny = ['--turn-allow-peers', '5.5.5.0/24', '--turn-deny-peers', '5.5.5.7']
  const flags = turnFlags(beside, await freeUdpRange(100), deny)
  coturn = await startCoturn(flags)
  elsewhere = await startCoturn(turnFlags(other, await freeUdpRange(100)))
  hub = await startHub([{ streamId: 'cam-1' }], {
    args: [...flags, '--turn-mode', 'coturn', '--turn-secret-file', coturn.secretFile],
    toml: [
      '[[relays]]',
      'node_id = "eu-1"',
      `urls = ["turn:127.0.0.1:${other}?transport=udp", "turn:127.0.0.1:${other}?transport=tcp"]`,
      `secret_file = "${elsewhere.secretFile}"`,
      'region = "eu"',
    ].join('\n'),
  })
  sender = await sendCard(hub.streams.get('cam-1')!)
  await until(async () => (await iceOf()).ice_servers.length === 2, 'both relays are up')
})

test.after.always(async () => {
  await sender?.[Symbol.asyncDispose]()
  await hub?.[Symbol.asyncDispose]()
  await elsewhere?.[Symbol.asyncDispose]()
  await coturn?.[Symbol.asyncDispose]()
})

async function subscribed() {
  return subscribeAnswerSchema.parse((await hub.api('POST', '/v1/subscribe', { stream_id: 'cam-1' })).body)
}

async function iceOf(): Promise<IceAccess> {
  return (await subscribed()).join.webrtc
}

const portsOf = ({ ice_servers }: IceAccess) =>
  ice_servers.map(({ urls }) => Number(/:(\d+)\?/.exec(urls[0] ?? '')?.[1]))

/** Credentials of a new contract, for the relay at this port. */
async function userAt(port: number) {
  const { ice_servers } = await iceOf()
  const server = ice_servers.find(({ urls }) => urls[0]?.includes(`:${port}?`))
  return { username: server!.username!, password: server!.credential! }
}

test.serial('the configuration holds the secret, and is for its owner alone', async (t) => {
  const { mode } = await stat(coturn.configFile)
  t.is(mode & 0o777, 0o600)
  t.is((await stat(coturn.secretFile)).mode & 0o777, 0o600)
  const secret = (await readFile(coturn.secretFile, 'utf8')).trim()
  t.true((await readFile(coturn.configFile, 'utf8')).includes(`\nstatic-auth-secret=${secret}\n`))
})

test.serial('a contract lists both relays, and says why', async (t) => {
  const {
    reasons,
    join: { webrtc },
  } = await subscribed()
  t.deepEqual(portsOf(webrtc).toSorted(), [ports.beside, ports.elsewhere].toSorted())
  const [best] = reasons.filter((reason) => reason.startsWith('relays, best first:'))
  t.regex(best ?? '', /hub-turn \(.*ms from the hub\)/)
  t.regex(best ?? '', /eu-1 \(.*ms from the hub\)/)
  const { body } = await hub.api('GET', '/v1/nodes')
  t.true(JSON.stringify(body).includes('eu-1'))
})

test.serial('coturn takes the minted credentials, and relays to what it may', async (t) => {
  const user = await userAt(ports.beside)
  await using client = await TurnClient.udp({ ip: '127.0.0.1', port: ports.beside }, user)
  await client.allocate()
  const answers = async (ip: string) => (await client.permit(Endpoint.of(ip, 4000)))?.class
  t.is(await answers('127.0.0.1'), CLASS.success)
  t.is(await answers('5.5.5.8'), CLASS.success)
  const outer = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address
  for (const ip of ['5.5.5.7', '10.0.0.1', '192.168.1.1', '169.254.169.254', '224.0.0.1', '8.8.8.8', outer])
    if (ip !== undefined) t.is(await answers(ip), CLASS.error, ip)
})

test.serial('coturn refuses credentials of others', async (t) => {
  const user = await userAt(ports.beside)
  const wrong = [
    { ...user, password: 'made up' },
    { ...user, username: user.username.replace(/^\d+/, (seconds) => String(Number(seconds) + 1)) },
    await userAt(ports.elsewhere),
  ]
  for (const each of wrong) {
    await using client = await TurnClient.udp({ ip: '127.0.0.1', port: ports.beside }, each)
    await t.throwsAsync(client.allocate(), undefined, each.username)
  }
})

test.serial("coturn's own client gets packets through, over UDP and TCP", async (t) => {
  for (const more of [[], ['-t']]) {
    const { username, password } = await userAt(ports.beside)
    const { stdout } = await promisify(execFile)('turnutils_uclient', [
      ...['-u', username, '-w', password, '-p', String(ports.beside)],
      // Two clients that are each other's peers, ten messages of 500 bytes.
      ...['-y', '-n', '10', '-l', '500', '-c', ...more, '127.0.0.1'],
    ])
    t.regex(stdout, /Total lost packets 0 \(0\.0+%\)/)
  }
})

for (const protocol of ['udp', 'tcp'] as const)
  test.serial(`Chromium watches through coturn alone, over ${protocol.toUpperCase()}`, async (t) => {
    await using chromium = await Chromium.launch()
    await using watched = await openOverRelay(chromium, `${hub.url}/watch/cam-1?relay=always`, protocol)
    await untilState(watched.page, 'live')
    t.true((await untilPicturesMove(watched.page)).length > 5)
    await until(async () => {
      const { body } = await hub.api('GET', '/v1/viewers')
      const path = z.object({
        relayed: z.literal(true),
        protocol: z.literal(protocol),
        relay: z.enum(['hub-turn', 'eu-1']),
      })
      const { viewers } = z.object({ viewers: z.array(z.looseObject({ path: z.unknown() })) }).parse(body)
      return viewers.some((viewer) => path.safeParse(viewer.path).success)
    }, 'the hub knows the relay')
  })

test.serial('a relay that enrols is offered with a secret of its own, and goes with its node', async (t) => {
  const [port = 0] = await freeUdpPorts(1)
  const flags = [...turnFlags(port, await freeUdpRange(100)), '--node', 'us-1']
  await using _third = await startCoturn(flags, coturn.secretFile)
  const wanted = { roles: ['relay'], node_id: 'us-1', capabilities: ['*'] }
  const issued = await hub.api('POST', '/v1/enrolment-tokens', wanted)
  const { token: enrollment_token } = z.object({ token: z.string() }).parse(issued.body)
  const { csr } = await nodeKey()
  const capabilities = { region: 'us', addresses: [`turn:127.0.0.1:${port}?transport=udp`] }
  const init = { role: 'relay', capabilities, enrollment_token, csr }
  const made = await hub.api('POST', '/v1/node/init', init, null)
  t.true(made.status < 300, JSON.stringify(made.body))
  await hub.putPolicy({ paths: { prefer_nodes: ['us-1'] } })
  await until(async () => portsOf(await iceOf())[0] === port, 'it comes first')
  await using client = await TurnClient.udp({ ip: '127.0.0.1', port }, await userAt(port))
  await client.allocate()
  t.is((await hub.api('DELETE', '/v1/nodes/us-1')).status, 204)
  await until(async () => !portsOf(await iceOf()).includes(port), 'it is gone')
  await hub.putPolicy({})
})

test.serial('a relay that falls silent is offered no more after 10 s, and there is an alarm', async (t) => {
  t.timeout(60_000)
  elsewhere.freeze()
  const silentSince = performance.now()
  t.is(portsOf(await iceOf()).length, 2)
  await until(async () => portsOf(await iceOf()).length === 1, 'it is offered no more', 25_000)
  const tookMs = performance.now() - silentSince
  t.true(tookMs < 16_000, `${tookMs} ms`)
  const {
    join: { webrtc },
    reasons,
  } = await subscribed()
  t.deepEqual(portsOf(webrtc), [ports.beside])
  t.true(reasons.some((reason) => reason.startsWith('relay eu-1 is left out: no sign of life for')))
  await until(
    async () => JSON.stringify((await hub.api('GET', '/v1/alarms')).body).includes('node:eu-1'),
    'an alarm',
  )
})

test.serial(
  'a secret that others may read keeps the hub from starting, with the reason',
  async (t: ExecutionContext) => {
    const file = join(tmpdir(), `lanecast-secret-${process.pid}`)
    await writeFile(file, 'a secret of sixteen characters\n', { mode: 0o644 })
    await chmod(file, 0o644)
    const args = ['--turn-mode', 'coturn', '--turn-secret-file', file]
    const error = await t.throwsAsync(startHub([], { args }))
    t.regex(error?.message ?? '', /others may read it: chmod 600|the hub did not start/)
  },
)
