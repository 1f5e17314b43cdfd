import test from 'ava'
import { FieldLab } from '../support/field-lab.ts'
import { until } from '../support/until.ts'

/** A field sender behind three uplinks of its own. test/e2e/field-agent.test.ts runs this. */

test.serial('a sender goes live over interfaces of its own', async (t) => {
  await using lab = await FieldLab.open()
  const { machine, carrier, uplinks } = await lab.enrol({ nodeId: 'van-1' })
  await machine.start({
    uplinks: [...uplinks],
    broadcasts: [{ stream_id: 'cam-1', class: 'focus', source: { kind: 'test-card' } }],
  })
  await until(async () => (await machine.status()).broadcasts[0]?.state === 'live', 'it is live')
  await until(async () => (await carrier.counters(0)).forward.delivered > 500, 'media goes by an uplink')
  t.pass()
})
