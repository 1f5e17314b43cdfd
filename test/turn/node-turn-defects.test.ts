import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { ATTRIBUTE, METHOD } from '../../common/stun/stun-types.ts'
import { ChildWatch } from '../../common/supervision/child-watch.ts'
import type { TurnStart } from '../../common/wire/turn-ipc.ts'
import { Nonces } from '../../turn/nonces.ts'
import { TurnProcess } from '../../turn/turn-process.ts'
import { codeOf, SILENCE_MS, TurnClient, type TurnUserOptions, udpTransport } from '../support/turn-client.ts'
import { Peer, turnStart, turnUser } from '../support/turn-rig.ts'
import { freeUdpPorts, freeUdpRange } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'

/**
 * What node-turn 0.0.6 does wrong as it is shipped (decision 33). Each defect is shown on the package and, by the same
 * steps, shown not to be in ours. Both run in a process of their own.
 */

interface Subject extends AsyncDisposable {
  readonly pid: number
  readonly port: number
  readonly tcpPort: number
}

/** Relayed ports of node-turn, which takes no other where one is taken. */
const RELAYED_PORTS = 50

const require = createRequire(import.meta.url)
const user = turnUser()

async function shipped(): Promise<Subject> {
  const [port] = (await freeUdpPorts(1)) as [number]
  const first = await freeUdpRange(RELAYED_PORTS)
  const config = {
    listeningIps: ['127.0.0.1'],
    relayIps: ['127.0.0.1'],
    listeningPort: port,
    minPort: first,
    maxPort: first + RELAYED_PORTS - 1,
    authMech: 'long-term',
    realm: 'lanecast',
    credentials: { [user.username]: user.password },
  }
  const code = `new (require(process.argv[1]))({ ...JSON.parse(process.argv[2]), log() {} }).start()`
  const child = spawn(
    'setpriv',
    [
      '--pdeathsig',
      'KILL',
      process.execPath,
      '-e',
      code,
      require.resolve('node-turn'),
      JSON.stringify(config),
    ],
    {
      stdio: 'ignore',
    },
  )
  const gone = once(child, 'exit')
  await until(async () => {
    await using client = await TurnClient.udp({ ip: '127.0.0.1', port })
    return (await client.challenge(SILENCE_MS)) !== null
  }, 'an answer of node-turn')
  return {
    pid: child.pid!,
    port,
    tcpPort: port,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await gone
    },
  }
}

async function ours(changed: Partial<TurnStart> = {}): Promise<Subject> {
  const watch = new ChildWatch()
  const { type, ended, ...start } = turnStart(changed)
  const trouble: string[] = []
  const turn = new TurnProcess({
    start,
    watch,
    listener: {
      ready: () => {},
      state: () => {},
      refused: () => {},
      trouble: (_, what) => trouble.push(what),
    },
  })
  const { udp, tcp } = await until(() => {
    if (trouble.length > 0) throw new Error(trouble.join(', '))
    return turn.ready
  }, 'our process')
  return {
    pid: turn.pid!,
    port: udp[0]!.port,
    tcpPort: tcp[0]!.port,
    async [Symbol.asyncDispose]() {
      await turn[Symbol.asyncDispose]()
      watch[Symbol.dispose]()
    },
  }
}

const clientOf = ({ port }: Subject, as: TurnUserOptions = user) =>
  TurnClient.udp({ ip: '127.0.0.1', port }, as)
const code = async (allocating: Promise<unknown>) =>
  await allocating.then(
    () => 0,
    (error: Error) => Number(error.message.split(' ').at(-1)),
  )
/** Whether something becomes true in a time that is enough for a busy machine. */
async function soon(condition: () => boolean): Promise<boolean> {
  for (const end = performance.now() + 3000; performance.now() < end; await delay(20))
    if (condition()) return true
  return condition()
}
const sockets = ({ pid }: Subject) => readdirSync(`/proc/${pid}/fd`).length

/** Each is true where all is well. */
const RIGHT: Readonly<Record<string, (subject: Subject) => Promise<boolean>>> = {
  async 'nobody gets in as constructor with the source text of Object'(subject) {
    await using client = await clientOf(subject, { username: 'constructor', password: String(Object) })
    return (await code(client.allocate())) === 401
  },
  async 'nobody gets in as __proto__'(subject) {
    await using client = await clientOf(subject, { username: '__proto__', password: '[object Object]' })
    return (await code(client.allocate())) === 401
  },
  async 'a datagram of one byte of a permitted peer ends nothing'(subject) {
    await using client = await clientOf(subject)
    await using peer = await Peer.open()
    const relayed = await client.allocate()
    await client.permit(peer.endpoint)
    peer.send(Buffer.of(1), relayed)
    await delay(1000)
    return codeOf(await client.request(METHOD.binding)) === 0
  },
  async 'a Refresh keeps the allocation'(subject) {
    await using client = await clientOf(subject)
    await client.allocate()
    const first = await client.refresh(300)
    const lifetime = first?.uint32(ATTRIBUTE.lifetime) ?? 0
    await delay(500)
    return lifetime > 0 && codeOf(await client.refresh(300)) === 0
  },
  async 'ChannelData of the client arrives'(subject) {
    await using client = await clientOf(subject)
    await using peer = await Peer.open()
    await client.allocate()
    await client.bind(0x4000, peer.endpoint)
    client.sendChannel(0x4000, Buffer.from('hello'))
    return await soon(() => peer.received.length === 1)
  },
  async 'the answer to ChannelBind is proved'(subject) {
    await using client = await clientOf(subject)
    await using peer = await Peer.open()
    await client.allocate()
    return (await client.bind(0x4000, peer.endpoint))?.has(ATTRIBUTE.messageIntegrity) ?? false
  },
  async 'the socket of an allocation that ended is closed'(subject) {
    const before = sockets(subject)
    await using client = await clientOf(subject)
    await client.allocate()
    await client.refresh(0)
    return await soon(() => sockets(subject) === before)
  },
  async 'an unknown attribute is answered with 420'(subject) {
    await using client = await clientOf(subject)
    await client.challenge()
    const answer = await client.request(METHOD.allocate, (writer) => {
      udpTransport(writer)
      writer.uint32(0x0055, 1)
    })
    return codeOf(answer) === 420
  },
  async 'EVEN-PORT is answered'(subject) {
    await using client = await clientOf(subject)
    await client.challenge()
    const answer = await client.request(METHOD.allocate, (writer) => {
      udpTransport(writer)
      writer.add(ATTRIBUTE.evenPort, Buffer.of(0x80))
    })
    return answer !== null
  },
  async 'TCP is served'({ tcpPort }) {
    try {
      await using client = await TurnClient.tcp({ ip: '127.0.0.1', port: tcpPort }, user)
      return (await code(client.allocate())) === 0
    } catch {
      return false
    }
  },
  async 'a user gets 12 allocations, and no more'(subject) {
    await using stack = new AsyncDisposableStack()
    const codes: number[] = []
    for (let index = 0; index < 13; index += 1)
      codes.push(await code(stack.use(await clientOf(subject)).allocate()))
    return codes.slice(0, 12).every((each) => each === 0) && codes[12] === 486
  },
}

// At once: they mostly wait for answers that never come.
for (const [name, right] of Object.entries(RIGHT))
  test(`${name}: not with node-turn 0.0.6, but here`, async (t) => {
    await using package_ = await shipped()
    t.false(await right(package_), 'the defect is gone from the package')
    await using server = await ours()
    t.true(await right(server))
  })

test('nobody is relayed to loopback without being told so: not with node-turn 0.0.6, but here', async (t) => {
  const relays = async (subject: Subject) => {
    await using client = await clientOf(subject)
    await using peer = await Peer.open()
    await client.allocate()
    await client.permit(peer.endpoint)
    client.send(peer.endpoint, Buffer.from('hello'))
    return await soon(() => peer.received.length > 0)
  }
  await using package_ = await shipped()
  t.true(await relays(package_))
  await using server = await ours({ peers: { own: [], allow: ['0.0.0.0/0'], deny: [] } })
  t.false(await relays(server))
})

test.serial('nothing is kept for who only asks: not with node-turn 0.0.6, but here', async (t) => {
  const NodeTurn = require('node-turn')
  const [port] = (await freeUdpPorts(1)) as [number]
  const server = new NodeTurn({
    listeningIps: ['127.0.0.1'],
    listeningPort: port,
    authMech: 'long-term',
    log: () => {},
  })
  server.start()
  await using client = await TurnClient.udp({ ip: '127.0.0.1', port })
  for (let asked = 0; asked < 20; asked += 1) await client.challenge()
  t.true(Object.keys(server.authentification.nonces).length >= 20)
  server.stop()

  const nonces = new Nonces()
  const first = nonces.make('192.0.2.1', 1, false)
  const before = process.memoryUsage().heapUsed
  for (let made = 0; made < 200_000; made += 1) nonces.make(`192.0.2.${made % 250}`, 1, false)
  t.true(process.memoryUsage().heapUsed - before < 32e6)
  t.is(nonces.judge(first, '192.0.2.1', 600), 'good')
})
