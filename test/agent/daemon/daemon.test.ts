import test from 'ava'
import { z } from 'zod'
import { flowSummarySchema } from '../../../common/wire/flows-api.ts'
import { AgentMachine, type ConfigInput, callAgent, enrolmentOf } from '../../support/field-agent.ts'
import { startHub, type TestHub } from '../../support/hub.ts'
import { until } from '../../support/until.ts'

/** The agent as a program of its own, at a real hub, with GStreamer and librist. */

const CARD: NonNullable<ConfigInput['broadcasts']>[number] = {
  stream_id: 'cam1',
  source: { kind: 'test-card' },
  renditions: [{ width: 320, height: 180 }],
}

let hub: TestHub

test.before(async () => {
  hub = await startHub([], { workers: 1, args: ['--tls', 'on'] })
})
test.after.always(() => hub?.[Symbol.asyncDispose]())

const isLive = async (streamId: string): Promise<boolean> => {
  const { body } = await hub.api('GET', `/v1/streams/${streamId}`)
  return (body as { state?: string }).state === 'live'
}

const flowOf = async (streamId: string) => {
  const { body } = await hub.api('GET', '/v1/flows')
  const { flows } = z.object({ flows: z.array(flowSummarySchema) }).parse(body)
  return flows.find(({ stream_id }) => stream_id === streamId)
}

test.serial('a machine enrols, goes live by a document of its own, changes and leaves', async (t) => {
  t.timeout(120_000)
  await using machine = await AgentMachine.enrol(hub, 'van-1')
  const again = await callAgent(['enrol', hub.url, 'le_x', '--state-dir', machine.folder])
  t.is(again.code, 1)
  t.regex(again.err, /this machine is van-1 of https.*\n.*--force/)
  await machine.start({ broadcasts: [CARD] })
  await until(() => isLive('cam1'), 'the stream is live')
  const live = await until(async () => {
    const [broadcast] = (await machine.status()).broadcasts
    return broadcast?.state === 'live' && broadcast.sent_kbps > 0 ? broadcast : null
  }, 'the agent says so')
  t.is(live.encoder, 'x264enc')
  t.true(live.links.length > 0)

  const second = await callAgent(['run', '--state-dir', machine.folder])
  t.is(second.code, 1)
  t.regex(second.err, /an agent already runs/)
  const shown = await callAgent(['status', '--state-dir', machine.folder])
  t.is(shown.code, 0)
  t.regex(
    shown.out,
    /Node van-1 .*\nCertificate until .*configuration local.*\nMachine: .*MB of disk free\nRelease .*\ncam1: live\n {2}x264enc, \d+ of \d+ kb\/s\n {2}\S+: \w+ by udp/,
  )

  // What can't be is refused as a whole, and what runs goes on.
  const refused = await machine.apply({ broadcasts: [{ ...CARD, fps: 400 }] })
  t.like(refused, { state: 'refused' })
  const [still] = (await machine.status()).broadcasts
  t.like(still, { state: 'live', contract_id: live.contract_id, encoder_restarts: 0 })

  // Another class is another contract, and the same stream.
  t.deepEqual(await machine.apply({ broadcasts: [{ ...CARD, class: 'focus' }] }), { state: 'done' })
  await until(async () => (await flowOf('cam1'))?.class === 'focus', 'a contract of the other class')
  await until(async () => (await machine.status()).broadcasts[0]?.state === 'live', 'it is live by it')

  // An agent that starts again soon goes on with the contract.
  const { contract_id } = (await flowOf('cam1')) ?? {}
  t.is(await machine.end(), 0)
  await machine.start()
  await until(async () => (await machine.status()).broadcasts[0]?.state === 'live', 'it is live again')
  t.is((await flowOf('cam1'))?.contract_id, contract_id)

  // After a power cut the last good document holds.
  await machine.end('SIGKILL')
  await machine.start()
  await until(async () => (await machine.status()).broadcasts[0]?.state === 'live', 'it is live again')

  t.deepEqual(await machine.apply({ broadcasts: [{ ...CARD, on: false }] }), { state: 'done' })
  t.like((await machine.status()).broadcasts[0], { state: 'off' })
  await until(async () => !(await flowOf('cam1')), 'the contract is given back')
  t.is(await machine.end(), 0)
})

test('an operator reads why a machine can not enrol', async (t) => {
  const { hubUrl, token } = await enrolmentOf(hub, 'van-9')
  const [secret = '', pin = ''] = token.split('.')
  const folder = ['--state-dir', '/nonexistent/lanecast']
  const otherPin = `${pin[0] === 'A' ? 'B' : 'A'}${pin.slice(1)}`
  const cases: [what: string, args: string[], says: RegExp][] = [
    ['the pin of another hub', [hubUrl, `${secret}.${otherPin}`], /is not the hub of this token\n/],
    ['no pin, and a hub that nobody knows', [hubUrl, secret], /not trusted: (SELF_SIGNED|UNABLE)/],
    ['a token of no hub', [hubUrl, `le_00_00.${pin}`], /token/],
    ['half a token', [hubUrl, `${secret}.${pin.slice(9)}`], /that is no enrolment token/],
    ['plain HTTP', [hubUrl.replace('https', 'http'), secret], /enrol at an https address/],
    ['nobody there', ['https://127.0.0.1:9', secret], /ECONNREFUSED/],
  ]
  for (const [what, args, says] of cases) {
    const { code, err } = await callAgent(['enrol', ...args, ...folder])
    t.is(code, 1, what)
    t.regex(err, says, what)
    t.false(err.includes(secret), what)
  }
  t.is((await callAgent(['enrol', 'hub', secret, ...folder])).code, 2)
})

test('a machine that is no node says so', async (t) => {
  const run = await callAgent(['run', '--state-dir', '/nonexistent/lanecast'])
  t.is(run.code, 1)
  t.regex(run.err, /there is no identity[\s\S]*enrol/)
  const status = await callAgent(['status', '--state-dir', '/nonexistent/lanecast'])
  t.is(status.code, 1)
  t.regex(status.err, /no agent answers/)
  t.is((await callAgent(['dance'])).code, 2)
  t.is((await callAgent(['status', '--dance'])).code, 2)
})
