import test from 'ava'
import { sampleOf } from '../../common/supervision/thread-sample.ts'
import { WorkerCpu } from '../../sfu/worker-cpu.ts'
import { openWorkers } from '../support/local-workers.ts'
import { until } from '../support/until.ts'

test("a busy worker's load is seen, and is gone with the worker", async (t) => {
  await using pool = await openWorkers(1)
  const cpu = new WorkerCpu()
  const [{ worker }] = pool.slots as [(typeof pool.slots)[number]]
  cpu.sample(pool.slots)
  t.is(cpu.leastBusy, 0, 'one look tells nothing')
  // What a worker does was measured in whole milliseconds: enough work that it can't be none.
  for (let round = 0; round < 20; round += 1)
    await Promise.all(Array.from({ length: 100 }, () => worker.dump()))
  cpu.sample(pool.slots)
  t.true(cpu.leastBusy > 0 && cpu.leastBusy <= 0.5, `${cpu.leastBusy}: half of what was seen, until it lasts`)
  t.is(cpu.loadOf(0), cpu.leastBusy)
  cpu.sample([])
  t.is(cpu.leastBusy, 0)
})

test('a worker that hangs holds up nobody', async (t) => {
  await using pool = await openWorkers(2)
  const cpu = new WorkerCpu()
  const [hangs, other] = pool.slots as [(typeof pool.slots)[number], (typeof pool.slots)[number]]
  process.kill(hangs.worker.pid, 'SIGSTOP')
  await until(() => sampleOf(hangs.worker.pid)?.state === 'T', 'it stands still')
  cpu.sample(pool.slots)
  for (let round = 0; round < 20; round += 1)
    await Promise.all(Array.from({ length: 100 }, () => other.worker.dump()))
  cpu.sample(pool.slots)
  t.is(cpu.loadOf(0), 0)
  t.true(cpu.loadOf(1) > 0)
})
