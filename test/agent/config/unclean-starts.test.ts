import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { UncleanStarts } from '../../../agent/config/unclean-starts.ts'
import { ConfigRig } from './config-rig.ts'

test('a document waits after several starts that ended by no order', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-starts-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'state', 'starts.json')
  const pauses = async (...starts: readonly (readonly [bootId: string, uptimeS: number])[]) => {
    const seen: number[] = []
    for (const [bootId, uptimeS] of starts)
      seen.push((await UncleanStarts.open(file, { bootId, uptimeS })).pauseMs)
    return seen
  }
  const boot = 'a'
  t.deepEqual(await pauses([boot, 6], [boot, 8], [boot, 10], [boot, 12], [boot, 14]), [0, 0, 0, 0, 0])
  t.deepEqual(await pauses([boot, 16], [boot, 50]), [30_000, 30_000])
  t.deepEqual(await pauses([boot, 300]), [0], 'those are long ago')
  t.deepEqual(
    await pauses([boot, 301], [boot, 302], ['b', 1]),
    [0, 0, 0],
    'a power cut is no fault of a document',
  )
  await (await UncleanStarts.open(file, { bootId: 'b', uptimeS: 2 }))[Symbol.asyncDispose]()
  t.deepEqual(
    await pauses(['b', 3], ['b', 4], ['b', 5], ['b', 6], ['b', 7]),
    [0, 0, 0, 0, 0],
    'nor is an order',
  )
  t.deepEqual(await UncleanStarts.open('/dev/null/starts.json').then(({ pauseMs }) => pauseMs), 0)
})

test('while the saved document waits, another one can come', async (t) => {
  await using rig = await ConfigRig.make()
  await (await rig.start()).apply(1, { backlog_mb: 1 })
  const waiting = await rig.start()
  await waiting.resume(200)
  t.is(waiting.actual, null)
  t.deepEqual(await waiting.apply(2, { backlog_mb: 2 }), { state: 'done' })
  await setTimeout(400)
  t.deepEqual(
    rig.target.asked.map(({ backlog_mb }) => backlog_mb),
    [2],
  )
  const patient = await rig.start()
  await patient.resume(50)
  await setTimeout(400)
  t.is(patient.actual?.version, 2)
})
