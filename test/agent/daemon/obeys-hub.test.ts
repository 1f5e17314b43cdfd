import test from 'ava'
import {
  commandViewSchema,
  nodeConfigViewSchema,
  nodeReportViewSchema,
} from '../../../common/wire/nodes-api.ts'
import { AgentMachine } from '../../support/field-agent.ts'
import { startHub } from '../../support/hub.ts'
import { until } from '../../support/until.ts'

/** The whole way from a request at the hub to a stream that is live, with the agent as a program of its own. */

const CARD = {
  stream_id: 'cam1',
  source: { kind: 'test-card' },
  renditions: [{ width: 320, height: 180 }],
}

test('a device does what the hub says, and says what it does', async (t) => {
  t.timeout(120_000)
  await using hub = await startHub([], { workers: 1, args: ['--tls', 'on'] })
  await using machine = await AgentMachine.enrol(hub, 'van-1')
  const config = async () => nodeConfigViewSchema.parse((await hub.api('GET', '/v1/nodes/van-1/config')).body)
  const report = async () => nodeReportViewSchema.parse((await hub.api('GET', '/v1/nodes/van-1/report')).body)
  const isState = (state: string) => until(async () => (await config()).state === state, `it is ${state}`)
  const tell = async (command: object) => {
    const { body } = await hub.api('POST', '/v1/nodes/van-1/commands', { command })
    const { command_id } = commandViewSchema.parse(body)
    return until(async () => {
      const path = `/v1/nodes/van-1/commands/${command_id}`
      const view = commandViewSchema.parse((await hub.api('GET', path)).body)
      return view.ended_at === null ? null : view
    }, 'the command is over')
  }
  await hub.api('PUT', '/v1/nodes/van-1/config', { broadcasts: [{ ...CARD, on: false }] })
  await machine.start()
  await isState('applied')
  t.like(await machine.status(), { online: true, config_version: 1 })
  t.like(await tell({ do: 'keyframe', stream_id: 'cam1' }), {
    state: 'refused',
    outcome: { code: 'broadcast_unknown' },
  })

  t.like(await tell({ do: 'start', stream_id: 'cam1' }), { state: 'done', config_version: 2 })
  const live = await until(async () => {
    const { body } = await hub.api('GET', '/v1/streams/cam1')
    return (body as { state?: string }).state === 'live'
  }, 'the stream is live')
  t.true(live)
  await until(async () => (await report()).broadcasts?.value[0]?.state === 'live', 'the hub hears so')
  const told = await report()
  t.like(told, { connected: true, config_version: 2 })
  for (const section of ['agent', 'interfaces', 'inputs', 'system'] as const) t.truthy(told[section], section)
  t.true(told.clock!.value.error_ms < 1000)
  t.like(await tell({ do: 'keyframe', stream_id: 'cam1' }), { state: 'done' })
  t.like(await tell({ do: 'reboot' }), { state: 'refused', outcome: { code: 'command_unavailable' } })
  t.like(await tell({ do: 'source', stream_id: 'cam1', source: { kind: 'v4l2', device: '/dev/video99' } }), {
    state: 'refused',
  })
  t.like(await config(), { state: 'applied', desired: { version: 2 } })

  t.deepEqual(await machine.apply({ broadcasts: [CARD], position: true }), { state: 'done' })
  await isState('local')
  t.like(await tell({ do: 'stop', stream_id: 'cam1' }), { state: 'done' })
  await isState('applied')
  t.like((await config()).desired, { config: { position: true } })
  t.like((await machine.status()).broadcasts[0], { state: 'off' })

  // A demand that no port here can meet is refused with what is missing.
  await hub.api('PUT', '/v1/nodes/van-1/config', { broadcasts: [{ ...CARD, mode: 'deterministic-wired' }] })
  const refused = await until(async () => {
    const [broadcast] = (await machine.status()).broadcasts
    return broadcast?.state === 'no_contract' && broadcast.reason ? broadcast.reason : null
  }, 'the contract is refused')
  t.regex(refused, /^deterministic-wired is not possible: .*PTP clock/)
})
