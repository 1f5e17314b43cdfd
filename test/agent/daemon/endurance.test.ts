import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { BroadcastStatus } from '../../../common/wire/node-report.ts'
import { AgentMachine } from '../../support/field-agent.ts'
import { startHub } from '../../support/hub.ts'
import { openNotifyReceiver } from '../../support/notify-receiver.ts'
import { descendants, programOf } from '../../support/processes.ts'
import { freeTcpPorts } from '../../support/tcp-ports.ts'
import { until } from '../../support/until.ts'

/** The agent by a service manager, while its children and its hub end under it. */

const CARD = {
  stream_id: 'cam1',
  source: { kind: 'test-card' as const },
  renditions: [{ width: 320, height: 180 }],
}

test('an agent of a service manager outlives its children and its hub', async (t) => {
  t.timeout(120_000)
  using manager = openNotifyReceiver()
  const dataDir = await mkdtemp(join(tmpdir(), 'lanecast-state-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const [port] = await freeTcpPorts(1)
  const hubOptions = { workers: 1, dataDir, bind: `127.0.0.1:${port}`, args: ['--tls', 'on'] }
  let hub = await startHub([], hubOptions)
  const { adminToken } = hub
  t.teardown(() => hub[Symbol.asyncDispose]())
  await using machine = await AgentMachine.enrol(hub, 'van-1', {
    env: { NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: '400000' },
  })
  await machine.start({ broadcasts: [CARD] })
  const said = await until(() => manager.take().find((message) => message.includes('READY=1')), 'it is ready')
  t.regex(said, /READY=1\nSTATUS=node van-1 of https/)
  t.regex(said, new RegExp(`MAINPID=${machine.pid}$`, 'm'))

  const status = async (): Promise<BroadcastStatus> => (await machine.status()).broadcasts[0]!
  const live = (what: string) =>
    until(async () => {
      const present = await status()
      return present.state === 'live' && present.sent_kbps > 0 ? present : null
    }, what)
  const first = await live('it is live')

  const childOf = (entry: string) => descendants(machine.pid!).find((pid) => programOf(pid).includes(entry))!
  for (const [entry, count] of [
    ['encoder-main.ts', 'encoder_restarts'],
    ['sender-main.ts', 'sender_restarts'],
  ] as const) {
    process.kill(childOf(entry), 'SIGKILL')
    await until(async () => (await status())[count] === 1, `${entry} is replaced`)
    await live(`it is live with another ${entry}`)
  }
  t.true(manager.take().includes('WATCHDOG=1'), 'the loop gives signs of life')

  // Nothing of the broadcast ends with the hub: it goes on by the same contract when the hub is back.
  const encoder = childOf('encoder-main.ts')
  hub.process.kill('SIGKILL')
  await until(async () => !(await machine.status()).online, 'the agent knows that the hub is away')
  t.is(childOf('encoder-main.ts'), encoder)
  hub = await startHub([], hubOptions)
  const isLive = async () =>
    (await hub.api('GET', '/v1/streams/cam1', undefined, adminToken)).body as { state?: string }
  await until(async () => (await isLive()).state === 'live', 'the stream is live at the new hub')
  await until(async () => (await machine.status()).online, 'the node is online')
  const last = await live('it is live')
  t.is(last.contract_id, first.contract_id)
  t.is(last.encoder_restarts, 1)
  t.is(childOf('encoder-main.ts'), encoder)

  // The signs of life since the last look fill the socket.
  manager.take()
  t.is(await machine.end(), 0)
  t.true(
    manager.take().some((message) => message.includes('STOPPING=1')),
    'it says that it ends',
  )
  t.false(existsSync(`/proc/${encoder}`), 'its children are gone')
})
