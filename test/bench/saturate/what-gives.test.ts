import test from 'ava'
import { type Step, saturationOf, whatGives } from './what-gives.ts'

const CALM: Step = {
  viewers: 40,
  usPerPacket: 5,
  workerShare: 0.1,
  gone: 0,
  lost: 0,
  behind: 0.01,
  dropped: 0,
  jitterMs: 8,
  clientsIdle: 0.8,
  clientCores: 0.1,
}

test('nothing gives while the worker has room and all packets come in time', (t) => {
  t.is(whatGives({ ...CALM, workerShare: 0.8, jitterMs: 30 }, CALM), null)
})

test('a worker with 85 % of a core is full, whatever else is seen', (t) => {
  t.is(whatGives({ ...CALM, workerShare: 0.86, lost: 0.1, clientsIdle: 0 }, CALM), 'worker_cpu')
})

test('packets that get lost, or do not come, are loss, and so are viewers', (t) => {
  t.is(whatGives({ ...CALM, gone: 1 }, CALM), 'loss')
  t.is(whatGives({ ...CALM, gone: 1, clientsIdle: 0.01 }, CALM), 'clients')
  t.is(whatGives({ ...CALM, lost: 0.02 }, CALM), 'loss')
  t.is(whatGives({ ...CALM, behind: 0.2 }, CALM), 'loss')
})

test('packets that come more than a picture later than at the first step are late', (t) => {
  t.is(whatGives({ ...CALM, jitterMs: 45 }, CALM), 'jitter')
  t.is(whatGives({ ...CALM, jitterMs: 45 }, { ...CALM, jitterMs: 20 }), null)
})

test('what the kernel had and no client fetched is the clients, and so is all on cores that they fill', (t) => {
  t.is(whatGives({ ...CALM, lost: 0.02, dropped: 0.02 }, CALM), 'clients')
  t.is(whatGives({ ...CALM, lost: 0.02, clientsIdle: 0.01 }, CALM), 'clients')
  t.is(whatGives({ ...CALM, jitterMs: 90, clientsIdle: 0.01 }, CALM), 'clients')
  t.is(whatGives({ ...CALM, lost: 0.02, dropped: 0.001 }, CALM), 'loss')
})

test('half is the step with about half the viewers of the last that held', (t) => {
  const steps = [40, 140, 240, 340, 440].map((viewers) => ({ ...CALM, viewers }))
  const { full, half } = saturationOf(steps)
  t.deepEqual([full?.viewers, half?.viewers], [440, 240])
  t.deepEqual(saturationOf(steps.slice(0, 1)), { full: steps[0]!, half: null })
  t.deepEqual(saturationOf([]), { full: null, half: null })
})
