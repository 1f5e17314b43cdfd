import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { AgentMachine, callAgent, enrolmentOf } from '../../support/field-agent.ts'
import { startHub, type TestHub } from '../../support/hub.ts'
import { otherClock } from '../../support/other-clock.ts'
import { until } from '../../support/until.ts'

/** Machines whose clock is wrong by a year, which the agent, OpenSSL and GStreamer believe. */

const YEAR = 365 * 86_400
const CARD = {
  stream_id: 'cam1',
  source: { kind: 'test-card' as const },
  renditions: [{ width: 320, height: 180 }],
}

let hub: TestHub
let other: TestHub

test.before(async () => {
  const start = () => startHub([], { workers: 1, args: ['--tls', 'on'] })
  ;[hub, other] = await Promise.all([start(), start()])
})
test.after.always(async () => {
  await hub?.[Symbol.asyncDispose]()
  await other?.[Symbol.asyncDispose]()
})

for (const [name, seconds] of [
  ['behind', -YEAR],
  ['ahead', YEAR],
] as const)
  test.serial(
    `a machine whose clock is a year ${name} enrols, goes live, and knows the hub's time`,
    async (t) => {
      t.timeout(90_000)
      const nodeId = `van-${name}`
      await using machine = await AgentMachine.enrol(hub, nodeId, { env: otherClock(seconds) })
      await machine.start({ broadcasts: [{ ...CARD, stream_id: nodeId }] })
      await until(async () => (await machine.status()).broadcasts[0]?.state === 'live', 'it is live')
      const { clock } = (await machine.status()).report
      t.true(Math.abs((clock?.ahead_ms ?? 0) - seconds * 1000) < 2000, `${clock?.ahead_ms} ms ahead`)
      // Capture times are the hub's: pictures are not a year old.
      await until(async () => {
        const { body } = await hub.api('GET', `/v1/streams/${nodeId}`)
        return (body as { state?: string }).state === 'live'
      }, 'the hub sees it')
    },
  )

test.serial('a wrong clock opens no door: a machine is not taken in by another hub', async (t) => {
  const env = otherClock(-YEAR)
  const { token } = await enrolmentOf(hub, 'van-2')
  const foreign = await callAgent(['enrol', other.url, token, '--state-dir', '/nonexistent/x'], { env })
  t.is(foreign.code, 1)
  t.regex(foreign.err, /is not the hub of this token/)

  await using machine = await AgentMachine.enrol(hub, 'van-2', { env })
  const file = join(machine.folder, 'identity.json')
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll(hub.url, other.url))
  await machine.start({ broadcasts: [CARD] })
  const refused = await until(async () => {
    const [broadcast] = (await machine.status()).broadcasts
    return broadcast?.state === 'no_contract' ? broadcast : null
  }, 'it says that it has no contract')
  t.regex(refused.reason ?? '', /the hub's certificate is not trusted/)
})
