import test from 'ava'
import type { Page } from 'playwright-core'
import { DEFAULT_ACL } from '../../policy/default-acl.ts'
import { Chromium } from '../support/chromium.ts'
import { FieldLab } from '../support/field-lab.ts'
import { descendants, programOf } from '../support/processes.ts'
import { takeShown, watchShown } from '../support/shown-pictures.ts'
import { until } from '../support/until.ts'
import { untilState } from '../support/watch-page.ts'

/** A viewer on the sender's own network gets its pictures from the sender itself. test/e2e/lan-direct.test.ts runs this. */

const EVERYBODY = {
  name: 'everybody watches',
  effect: 'allow' as const,
  subjects: ['anonymous'],
  actions: ['subscribe' as const, 'stream.read' as const],
  streams: ['*'],
}
const ACL = [...DEFAULT_ACL, EVERYBODY]
/** A viewer sees the last picture for at most so long when the direct way breaks, ms. Half a second is by design. */
const FREEZE_MS = 4000

const wayOf = (page: Page) => page.evaluate(() => document.documentElement.dataset['way'])
const ageOf = (page: Page) => page.evaluate(() => Number(document.documentElement.dataset['glassToGlassMs']))

test.serial('a viewer moves over to the sender, and back when that is lost or forbidden', async (t) => {
  await using lab = await FieldLab.open()
  await lab.hub.putPolicy({ acl: ACL })
  const { machine, carrier, namespace, uplinks } = await lab.enrol({
    nodeId: 'van-1',
    interfaces: ['wwan0'],
  })
  // What goes by the hub comes late.
  await carrier.setBoth(0, { delayMs: 100 })
  const source = { kind: 'test-card' } as const
  await machine.start({
    uplinks: [...uplinks],
    broadcasts: [{ stream_id: 'cam-1', class: 'director', source }],
  })
  await until(async () => (await machine.status()).broadcasts[0]?.state === 'live', 'it is live')
  await using chromium = await Chromium.launch({
    flags: ['--ignore-certificate-errors'],
    enter: namespace.enter,
  })
  const { page } = await chromium.open('about:blank')
  await page.goto(`${lab.hub.url}/watch/cam-1`)
  await untilState(page, 'live')
  await watchShown(page)

  await until(async () => (await wayOf(page)) === 'direct', 'pictures come from the sender', 30_000)
  const before = (await carrier.counters(0)).backward.bytes
  await takeShown(page)
  let moved = 0
  await until(async () => {
    moved += (await takeShown(page)).length
    return moved > 3
  }, 'pictures move')
  await until(async () => (await ageOf(page)) < 200, 'pictures are younger than the way by the hub')
  t.is(await page.evaluate(() => document.documentElement.dataset['state']), 'live')
  const seconds = 3
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  const kbps = (((await carrier.counters(0)).backward.bytes - before) * 8) / seconds / 1000
  t.log(`from the hub meanwhile: ${Math.round(kbps)} kb/s; glass to glass ${await ageOf(page)} ms`)

  const killedAt = Date.now()
  const direct = descendants(machine.pid!).find((pid) => programOf(pid).includes('direct-main'))
  process.kill(direct!, 'SIGKILL')
  await until(async () => (await wayOf(page)) === 'hub', 'pictures come by the hub')
  await until(async () => (await wayOf(page)) === 'direct', 'and from the sender again', 40_000)
  const shown = (await takeShown(page)).map(({ at }) => at).filter((at) => at > killedAt)
  const gaps = [killedAt, ...shown]
    .slice(1)
    .map((at, index) => at - (index === 0 ? killedAt : shown[index - 1]!))
  t.log(`longest freeze: ${Math.round(Math.max(...gaps))} ms`)
  t.true(Math.max(...gaps) < FREEZE_MS)

  await lab.hub.putPolicy({ acl: ACL, lan_direct: false })
  await page.reload()
  await untilState(page, 'live')
  await new Promise((resolve) => setTimeout(resolve, 4000))
  t.not(await wayOf(page), 'direct')
})
