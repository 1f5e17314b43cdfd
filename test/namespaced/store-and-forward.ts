import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { z } from 'zod'
import { segmentSchema } from '../../common/wire/backlog.ts'
import { FieldLab, type LabSender } from '../support/field-lab.ts'
import { TsReader } from '../support/ts-reader.ts'
import { until } from '../support/until.ts'

/** A field sender whose links all fall silent, and later come back. test/agent/backlog/store-and-forward.test.ts runs this. */

const SMALL = 0x100
const FPS = 10
const OUTAGE_MS = 6000
const listed = z.object({ segments: z.array(segmentSchema), more: z.boolean() })

const folder = mkdtempSync(join(tmpdir(), 'lanecast-later-'))
let lab: FieldLab
let sender: LabSender

test.before(async () => {
  lab = await FieldLab.open({ dataDir: join(folder, 'data') })
  sender = await lab.enrol({ nodeId: 'van-1', interfaces: ['wwan0', 'wwan1'] })
  await sender.machine.start({
    uplinks: [...sender.uplinks],
    broadcasts: [
      {
        stream_id: 'cam-1',
        class: 'record',
        source: { kind: 'test-card' },
        fps: FPS,
        renditions: [{ width: 160, height: 90 }],
        sound: null,
      },
    ],
  })
  await untilState('live')
})
test.after.always(async () => {
  await lab?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const status = async () => (await sender.machine.status().catch(() => null))?.broadcasts[0]
const untilState = (state: string) =>
  until(async () => (await status())?.state === state, `it is ${state}`, 30_000)

async function silence(blackhole: boolean): Promise<void> {
  for (const link of [0, 1])
    await sender.carrier.set(link, { forward: { blackhole }, backward: { blackhole } })
}

async function delivered(from: number, to: number): Promise<Buffer[]> {
  const { body } = await lab.hub.api('GET', `/v1/streams/cam-1/backlog?from=${from}&to=${to}`)
  const media: Buffer[] = []
  for (const segment of listed.parse(body).segments) {
    const range = `${segment.from}-${segment.to}`
    const answer = await fetch(`${lab.hub.url}/v1/streams/cam-1/backlog/${range}`, {
      headers: { authorization: `Bearer ${lab.hub.adminToken}` },
    })
    media.push(Buffer.from(await answer.arrayBuffer()))
  }
  return media
}

const nothingWaits = () =>
  until(async () => (await status())?.backlog_mb === 0, 'everything is delivered', 90_000)

test.serial('what was made while no link carried is delivered later, whole', async (t) => {
  t.timeout(180_000)
  await nothingWaits()
  await delay(2000)
  const lostAt = Date.now()
  await silence(true)
  await until(async () => ((await status())?.backlog_mb ?? 0) > 0, 'something is kept', 15_000)
  await delay(OUTAGE_MS - (Date.now() - lostAt))
  const backAt = Date.now()
  await silence(false)
  await untilState('live')
  await nothingWaits()
  t.log(`delivered ${Math.round((Date.now() - backAt) / 100) / 10} s after the links were back`)
  const media = await delivered(lostAt, backAt)
  const reader = new TsReader()
  for (const segment of media) reader.push(segment)
  const units = reader.units(SMALL)
  const steps = units.slice(1).map(({ pts }, index) => pts - units[index]!.pts)
  t.log(`${media.length} segments, ${units.length} pictures, longest step ${Math.max(...steps) / 90} ms`)
  t.true(units.length >= (OUTAGE_MS / 1000) * FPS)
  t.true(Math.max(...steps) < (3 * 90_000) / FPS)
  t.deepEqual(reader.issues, [])
})

test.serial('what waits on the disk outlives the agent', async (t) => {
  t.timeout(180_000)
  const lostAt = Date.now()
  await silence(true)
  await until(async () => ((await status())?.backlog_mb ?? 0) > 0, 'something is kept', 15_000)
  await delay(4000)
  await sender.machine.end('SIGKILL')
  const killedAt = Date.now()
  await silence(false)
  await sender.machine.start()
  await nothingWaits()
  const reader = new TsReader()
  for (const segment of await delivered(lostAt, killedAt)) reader.push(segment)
  t.log(`${reader.units(SMALL).length} pictures`)
  t.true(reader.units(SMALL).length > FPS)
})
