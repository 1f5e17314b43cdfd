import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { z } from 'zod'
import { alarmSchema } from '../../../common/wire/alarm.ts'
import { flowContractSchema } from '../../../common/wire/flow-contract.ts'
import { flowSummarySchema, subscribeAnswerSchema } from '../../../common/wire/flows-api.ts'
import { hubErrorSchema } from '../../../common/wire/hub-error.ts'
import { startHub } from '../../support/hub.ts'
import { until } from '../../support/until.ts'
import { joinWith } from './join-with.ts'

/** A real hub on a machine whose clock is set while it runs. */

const MAIN = resolve(import.meta.dirname, '../../support/set-clock-main.ts')
const MINUTES_20 = 1_200_000
/** The shortest life a policy may give a contract, s. */
const LIFE_S = 10

async function startClockHub() {
  const hub = await startHub([{ streamId: 'cam-1' }], { main: MAIN, workers: 1 })
  const flows = async () =>
    z.object({ flows: z.array(flowSummarySchema) }).parse((await hub.api('GET', '/v1/flows')).body).flows
  const said = (text: string) => hub.log.filter(({ msg }) => typeof msg === 'string' && msg.includes(text))
  let aheadMs = 0
  return {
    hub,
    flows,
    said,
    /** The time by the hub's clock. */
    now: () => Date.now() + aheadMs,
    async set(ms: number): Promise<void> {
      const direction = ms > 0 ? 'forward' : 'back'
      const series = `lanecast_clock_steps_total{direction="${direction}"}`
      const before = await hub.metric(series)
      hub.process.send({ set_ms: ms })
      aheadMs += ms
      await until(async () => (await hub.metric(series)) > before, 'the step is noticed')
    },
    [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose](),
  }
}

test('every contract lasts when the clock is set, forward and back', async (t) => {
  await using machine = await startClockHub()
  const { hub, flows, said, now, set } = machine
  const pat = await hub.issueToken({ role: 'publisher', subject: 'pat' })
  const asked = { stream_id: 'guest', class: 'focus', preferred_transports: ['webrtc'] }
  const guest = flowContractSchema.parse((await hub.api('POST', '/v1/publish', asked, pat)).body)
  const subscribe = async () =>
    subscribeAnswerSchema.parse(
      (await hub.api('POST', '/v1/subscribe', { stream_id: 'cam-1', tenant_id: 'default' }, null)).body,
    )
  using viewer = await joinWith(hub.url, (await subscribe()).join.webrtc.ticket)
  t.true(viewer.answer.ok)
  const [cam] = (await flows()).filter(({ stream_id }) => stream_id === 'cam-1')

  for (const ms of [MINUTES_20, -MINUTES_20, -MINUTES_20]) {
    await set(ms)
    // Deadlines are looked at once a second.
    await delay(1500)
    const running = await flows()
    t.deepEqual(running.map(({ stream_id }) => stream_id).sort(), ['cam-1', 'guest'], `after ${ms} ms`)
    for (const { contract_id, expires_at } of running) {
      t.true([cam?.contract_id, guest.contract_id].includes(contract_id))
      const left = expires_at - now()
      t.true(left > 500_000 && left <= 600_500, `${left} ms left by the clock as it is now`)
    }
    // Who asks now gets as much time as ever, and is let in.
    const next = await subscribe()
    t.true(Math.abs(next.expires_at - now() - 600_000) < 2000)
    using late = await joinWith(hub.url, next.join.webrtc.ticket)
    t.true(late.answer.ok)
    t.is((await fetch(new URL('/readyz', hub.url))).status, 200)
  }
  const ended = await Promise.race([viewer.ended, delay(100, 'goes on')])
  t.is(ended, 'goes on')
  t.is(said("the machine's clock was set").length, 3)
  t.deepEqual(said('no contract'), [])
})

test('a configured stream whose contract is refused is an alarm, and back when it is granted', async (t) => {
  t.timeout(90_000)
  await using machine = await startClockHub()
  const { hub, flows, now, set } = machine
  const alarms = async () =>
    z
      .object({ alarms: z.array(alarmSchema) })
      .parse((await hub.api('GET', '/v1/alarms')).body)
      .alarms.filter(({ kind }) => kind === 'stream_without_contract')
  const isThere = async () => (await flows()).some(({ stream_id }) => stream_id === 'cam-1')
  const limits = { contract_seconds: LIFE_S }
  await hub.putPolicy({ limits })
  // Renewed at once, for as long as the policy says now.
  await set(MINUTES_20)
  await until(
    async () =>
      (await flows()).some(
        ({ stream_id, expires_at }) => stream_id === 'cam-1' && expires_at <= now() + LIFE_S * 1000,
      ),
    'a short contract',
  )
  await hub.putPolicy({ limits, acl: [] })
  await until(async () => !(await isThere()), 'it runs out', 20_000)
  const [alarm] = await until(
    async () => {
      const raised = await alarms()
      return raised.length > 0 ? raised : null
    },
    'an alarm',
    15_000,
  )
  t.like(alarm, { tenant_id: 'default', subject: 'stream:cam-1' })
  t.regex(alarm?.message ?? '', /the configured stream cam-1 has no contract: /)
  t.true(Math.abs((alarm?.raised_at ?? 0) - now()) < 30_000, 'by the clock as it is')
  await hub.putPolicy({})
  await until(isThere, 'it is back', 35_000)
  await until(async () => (await alarms()).length === 0, 'the alarm is cleared')
})

test('a stream of the configuration that is revoked by hand stays away, and says so', async (t) => {
  await using machine = await startClockHub()
  const { hub, flows, said, set } = machine
  const [cam] = (await flows()).filter(({ stream_id }) => stream_id === 'cam-1')
  t.is((await hub.api('DELETE', `/v1/flows/${cam!.contract_id}`)).status, 204)
  await until(() => said('revoked by hand').length === 1, 'a log line')
  // A step renews all that are to be there.
  await set(MINUTES_20)
  await delay(1500)
  t.false((await flows()).some(({ stream_id }) => stream_id === 'cam-1'))
  const gone = await hub.api('GET', '/v1/streams/cam-1')
  t.is(gone.status, 404)
  t.deepEqual(hubErrorSchema.parse(gone.body).error.details, [
    'its contract was revoked by hand: it stays away until the next start of the hub, or until the configuration changes it',
  ])
  t.is((await fetch(new URL('/readyz', hub.url))).status, 200)
})
