import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { z } from 'zod'
import { configHash } from '../../../common/node-config/config-hash.ts'
import { EMPTY_NODE_CONFIG, type NodeConfig } from '../../../common/wire/node-config.ts'
import { type CommandView, commandViewSchema, nodeConfigViewSchema } from '../../../common/wire/nodes-api.ts'
import { Seeded } from '../../policy/seeded.ts'
import { AgentMachine } from '../../support/field-agent.ts'
import { startHub, type TestHub } from '../../support/hub.ts'
import { until } from '../../support/until.ts'

/** Documents and commands, while agent and hub are killed at any moment: what was said to be done is what is there. */

const ROUNDS = 6
const SEED = 15
const NODE = '/v1/nodes/van-1'
const savedSchema = z.object({
  newest: z.number(),
  actual: z.object({ version: z.unknown(), hash: z.string() }),
})
const listSchema = z.object({ commands: z.array(commandViewSchema) })

/** A hub with its state, which can be killed and started again on it. */
class KilledHub implements AsyncDisposable {
  readonly #dataDir: string
  readonly #token: string
  hub: TestHub

  private constructor(dataDir: string, hub: TestHub) {
    this.#dataDir = dataDir
    this.#token = hub.adminToken
    this.hub = hub
  }

  static async start(): Promise<KilledHub> {
    const dataDir = await mkdtemp(join(tmpdir(), 'lanecast-killed-'))
    return new KilledHub(dataDir, await startHub([], { workers: 1, dataDir, args: ['--tls', 'on'] }))
  }

  /** Whatever the hub says; null where it says nothing. */
  async ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.hub.api(method, path, body, this.#token).catch(() => null)
    return answer && answer.status < 300 ? answer.body : null
  }

  async kill(): Promise<void> {
    this.hub.process.kill('SIGKILL')
    await this.hub.stop()
    const bind = new URL(this.hub.url).host
    this.hub = await startHub([], { workers: 1, dataDir: this.#dataDir, bind, args: ['--tls', 'on'] })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hub[Symbol.asyncDispose]()
    await rm(this.#dataDir, { recursive: true, force: true })
  }
}

const broadcast = (fps: number, gain_db = 0) => ({
  stream_id: 'cam1',
  on: false,
  source: { kind: 'rtsp', url: 'rtsp://10.0.0.7/live', username: 'root', password: 'open sesame' },
  sound: { gain_db },
  fps,
})
/** What no device has. */
const beyond = (number: number) => ({
  broadcasts: [{ stream_id: 'cam1', source: { kind: 'file', path: `/nowhere/${number}.ts` } }],
})

test('documents and commands survive kills of agent and hub', async (t) => {
  t.timeout(180_000)
  const random = new Seeded(SEED)
  await using killed = await KilledHub.start()
  await using machine = await AgentMachine.enrol(killed.hub, 'van-1')
  await machine.start(undefined, 'fatal')

  const view = async () => nodeConfigViewSchema.nullable().parse(await killed.ask('GET', `${NODE}/config`))
  const commands = async () =>
    listSchema.nullable().parse(await killed.ask('GET', `${NODE}/commands`))?.commands ?? []
  const saved = async () =>
    savedSchema.parse(JSON.parse(await readFile(join(machine.folder, 'config/config.json'), 'utf8')))
  const settled = () =>
    until(
      async () => {
        const now = await view()
        const waits = (await commands()).some(({ ended_at }) => ended_at === null)
        return now?.connected && now.actual && now.state !== 'pending' && !waits ? now : null
      },
      'hub and device agree on what is',
      60_000,
    )

  const acts: readonly ((number: number) => Promise<unknown>)[] = [
    (number) =>
      killed.ask('PUT', `${NODE}/config`, { broadcasts: [broadcast(1 + (number % 60))], backlog_mb: number }),
    (number) => killed.ask('PUT', `${NODE}/config`, beyond(number)),
    (number) => tell(number, { do: 'fps', stream_id: 'cam1', fps: 1 + (number % 60) }),
    (number) => tell(number, { do: 'gain', stream_id: 'cam1', gain_db: -number }),
    (number) => tell(number, { do: 'links', stream_id: 'cam1', links: null }),
    (number) =>
      machine.apply({ broadcasts: [broadcast(1 + (number % 60), 3)], backlog_mb: number }).catch(() => null),
  ]
  const tell = (number: number, command: object) =>
    killed.ask('POST', `${NODE}/commands`, { request_id: `r-${number}`, expires_in_s: 300, command })

  await killed.ask('PUT', `${NODE}/config`, { broadcasts: [broadcast(30)] })
  await settled()
  let newest = 0
  let [agentKills, hubKills] = [0, 0]
  for (let round = 1; round <= ROUNDS; round += 1) {
    const done: Promise<unknown>[] = []
    for (let act = 0; act < random.int(1, 3); act += 1) done.push(random.pick(acts)(round * 10 + act))
    await setTimeout(random.int(0, 120))
    const [agentDies, hubDies] = random.pick([
      [true, false],
      [true, false],
      [false, true],
      [true, true],
    ] as const)
    if (agentDies) await machine.end('SIGKILL')
    agentKills += Number(agentDies)
    hubKills += Number(hubDies)
    await Promise.all([...done, hubDies && killed.kill()])
    if (agentDies) await machine.start(undefined, 'fatal')

    const now = await settled()
    const disk = await saved()
    t.deepEqual(disk.actual, { version: now.actual!.version, hash: now.actual!.hash }, `round ${round}`)
    t.is(now.actual!.hash, configHash(now.actual!.config), `round ${round}`)
    t.true(disk.newest >= newest, `round ${round}: versions only grow`)
    newest = disk.newest
    if (now.state === 'applied') {
      t.is(now.actual!.version, now.desired!.version, `round ${round}`)
      t.is(now.actual!.hash, configHash(now.desired!.config), `round ${round}`)
    }
    if (now.state === 'refused') t.regex(now.refusal!.details.join(), /nowhere/, `round ${round}`)
  }
  t.log(`${agentKills} kills of the agent, ${hubKills} of the hub, up to version ${newest}`)
  const all = await commands()
  t.true(
    all.every(({ state }) => state === 'done' || state === 'refused'),
    JSON.stringify(all.map(({ state }) => state)),
  )
  const ids = all.map(({ request_id }) => request_id)
  t.is(new Set(ids).size, ids.length, 'no command stands twice')

  // Whatever happened, the next document holds, and the camera's password is still known.
  const { config } = (await view())!.actual!
  await killed.ask('PUT', `${NODE}/config`, { ...config, backlog_mb: 5000 })
  const last = await settled()
  t.like(last, { state: 'applied', actual: { config: { backlog_mb: 5000 } } })
  t.deepEqual(sourceOf(last.actual!.config), sourceOf(config))
  t.regex(await readFile(join(machine.folder, 'config/config.json'), 'utf8'), /open sesame/)
  t.notRegex(JSON.stringify([last, all satisfies CommandView[]]), /open sesame/)
})

const sourceOf = ({ broadcasts }: NodeConfig = EMPTY_NODE_CONFIG) => broadcasts[0]?.source
