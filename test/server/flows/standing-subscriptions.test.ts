import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import { flowContractSchema } from '../../../common/wire/flow-contract.ts'
import { streamStatisticsSchema } from '../../../common/wire/statistics-api.ts'
import { startFieldSender } from '../../support/field-sender.ts'
import { startHub, type TestHub, type TestHubOptions } from '../../support/hub.ts'
import { freeUdpRange } from '../../support/udp-ports.ts'
import { until } from '../../support/until.ts'

const MAIN = resolve(import.meta.dirname, 'subscribing-hub-main.ts')
/** The shortest life a policy may give a contract, s. */
const LIFE_S = 10

const subscription = z.object({
  subscriptionId: z.string(),
  tenantId: z.string(),
  stream_id: z.string(),
  contract: z.object({ expiresAt: z.number() }).nullable(),
  refusal: z.string().nullable(),
  running: z.boolean(),
})
const answered = z.object({ id: z.number(), value: z.unknown().optional(), refused: z.string().optional() })

/** A program on loopback that is sent RTP, and when the last packet came. */
async function openReceiver() {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  let [packets, lastAt] = [0, 0]
  socket.on('message', () => {
    packets += 1
    lastAt = performance.now()
  })
  return {
    port: socket.address().port,
    /** Resolves when packets come from now on. */
    async gets(what: string) {
      const before = packets
      await until(() => packets > before + 20, what)
    },
    quietMs: () => performance.now() - lastAt,
    [Symbol.dispose]: () => void socket.close(),
  }
}

/** What the hub's program asks of the hub. @throws the code of a refusal */
function programOf({ process: child }: TestHub) {
  let count = 0
  const ask = async (question: object): Promise<unknown> => {
    const id = ++count
    const { promise, resolve: settle } = Promise.withResolvers<z.infer<typeof answered>>()
    const hear = (message: unknown) => {
      const answer = answered.safeParse(message).data
      if (answer?.id === id) settle(answer)
    }
    child.on('message', hear)
    child.send({ id, ...question })
    const { value, refused } = await promise
    child.off('message', hear)
    if (refused !== undefined) throw new Error(refused)
    return value
  }
  return {
    add: async (principal: object, tenantId: string, streamId: string) =>
      subscription.parse(await ask({ method: 'add', principal, tenantId, streamId })),
    list: async () => z.array(subscription).parse(await ask({ method: 'list' })),
    end: (subscriptionId: string) => ask({ method: 'end', subscriptionId }),
  }
}

/** Whoever has this token, as the hub's doors take it. */
function principalOf(token: string, subject: string, tenant_id = 'default') {
  const [, claims = ''] = token.split('.')
  const { jti } = z.object({ jti: z.string() }).parse(JSON.parse(atob(claims)))
  const grants = { streams: ['*'], actions: ['*'] }
  const proof = { credential: 'jwt', token_id: jti, expires_at: null }
  return { id: subject, role: 'viewer', tenant_id, node_id: null, grants, ...proof }
}

test('a subscription stands over restarts and kill -9, by itself, until its token is revoked', async (t) => {
  t.timeout(120_000)
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-subscriptions-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  using receiver = await openReceiver()
  const port = await freeUdpRange(20)
  const options: TestHubOptions = {
    main: MAIN,
    workers: 1,
    dataDir: join(folder, 'data'),
    args: ['--rist-ports', `${port}-${port + 19}`],
    env: { RTP_TO: String(receiver.port) },
  }
  const first = await startHub([], options)
  t.teardown(() => first[Symbol.asyncDispose]())
  const publisher = await first.issueToken({ role: 'publisher' })
  const token = await first.issueToken({ role: 'viewer', subject: 'recorder' })
  const who = principalOf(token, 'recorder')
  const program = programOf(first)

  const early = await program.add(who, 'default', 'cam-1')
  t.is(early.contract, null)
  t.regex(early.refusal ?? '', /no stream "cam-1"/)
  const published = await first.api(
    'POST',
    '/v1/publish',
    { stream_id: 'cam-1', class: 'director' },
    publisher,
  )
  const { endpoints, keys } = flowContractSchema.parse(published.body)
  await using _sender = await startFieldSender({
    links: endpoints.map((each) => ({ host: each.address, port: each.port })),
    bufferMs: 60,
    passphrase: keys!.passphrase,
    aesBits: keys!.aes_bits,
    username: keys!.username ?? '',
    password: keys!.password ?? '',
    card: { name: 'cam-1', width: 320, height: 180, videoKbps: 400 },
  })
  await receiver.gets('media of the stream that came')
  const { body } = await first.api('GET', '/v1/streams/cam-1/statistics')
  t.is(streamStatisticsSchema.parse(body).viewers, 0)

  // The publisher's contract outlives the test; the subscription gets one of the new policy at once.
  await first.putPolicy({ limits: { contract_seconds: LIFE_S } })
  const granted = await until(async () => {
    const [now] = await program.list()
    return now!.contract!.expiresAt - Date.now() <= LIFE_S * 1000 ? now : undefined
  }, 'a contract of the new policy')
  const renewed = await until(async () => {
    const [now] = await program.list()
    return now!.contract!.expiresAt > granted.contract!.expiresAt ? now : undefined
  }, 'the next contract, by itself')
  t.true(renewed.running)

  // Of nobody, of another tenant's, and of what the policy denies there is none.
  const codeOf = async (asking: Promise<unknown>) => (await t.throwsAsync(asking))?.message
  t.is(await codeOf(program.add({ ...who, role: 'anonymous' }, 'default', 'cam-1')), 'denied')
  t.is(await codeOf(program.add({ ...who, tenant_id: 'other' }, 'default', 'cam-1')), 'stream_not_found')
  const denied = { ...who, grants: { streams: ['dog-*'], actions: ['*'] } }
  t.is(await codeOf(program.add(denied, 'default', 'cam-1')), 'acl_denied')
  const second = await program.add(who, 'default', 'cam-1')
  t.true(second.running)
  t.is((await program.list()).length, 2)
  t.true(await program.end(second.subscriptionId))
  t.false(await program.end(second.subscriptionId))

  first.process.kill('SIGKILL')
  await first.stop()
  await until(() => receiver.quietMs() > 500, 'nothing comes of a dead hub')
  await using again = await startHub([], options)
  const admin = (method: string, path: string, body?: unknown) =>
    again.api(method, path, body, first.adminToken)
  await receiver.gets('media after kill -9')
  t.deepEqual(
    (await programOf(again).list()).map(({ subscriptionId }) => subscriptionId),
    [early.subscriptionId],
  )

  t.is((await admin('DELETE', `/v1/tokens/${who.token_id}?tenant_id=default`)).status, 200)
  await until(() => receiver.quietMs() > 500, 'media has stopped')
  t.deepEqual(await programOf(again).list(), [])
  const { body: trail } = await admin('GET', '/v1/audit?action=subscription.end')
  t.regex(JSON.stringify(trail), /its jwt was revoked/)
  await again.stop()
  await using third = await startHub([], options)
  t.deepEqual(await programOf(third).list(), [])
})
