import test from 'ava'
import { WorkerCpu } from '../../sfu/worker-cpu.ts'
import { openWorkers } from '../support/local-workers.ts'

test("a busy worker's load is seen, and is gone with the worker", async (t) => {
  await using pool = await openWorkers(1)
  const cpu = new WorkerCpu()
  const [{ worker }] = pool.slots as [(typeof pool.slots)[number]]
  await cpu.sample(pool.slots)
  t.is(cpu.leastBusy, 0, 'one look tells nothing')
  // What a worker does was measured in whole milliseconds: enough work that it can't be none.
  for (let round = 0; round < 20; round += 1)
    await Promise.all(Array.from({ length: 100 }, () => worker.dump()))
  await cpu.sample(pool.slots)
  t.true(cpu.leastBusy > 0 && cpu.leastBusy <= 0.5, `${cpu.leastBusy}: half of what was seen, until it lasts`)
  t.is(cpu.loadOf(0), cpu.leastBusy)
  await cpu.sample([])
  t.is(cpu.leastBusy, 0)
})
