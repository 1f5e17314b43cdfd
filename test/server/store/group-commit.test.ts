import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { GroupCommit } from '../../../server/store/group-commit.ts'
import type { Outcomes } from '../../../server/store/write-plan.ts'
import { until } from '../../support/until.ts'

/** A database that takes batches when it is told to. */
function held() {
  const batches: number[][] = []
  const steps: PromiseWithResolvers<void>[] = []
  return {
    batches,
    /** Lets the next batch be made. */
    async step() {
      await until(() => steps.length > 0, 'a batch is under way')
      steps.shift()!.resolve()
    },
    commit: async (batch: readonly number[]): Promise<Outcomes> => {
      batches.push([...batch])
      const step = Promise.withResolvers<void>()
      steps.push(step)
      await step.promise
      return batch.map((write) => [write])
    },
  }
}

const failed = () => new CodedError('store_failed', 'no')

test('what arrives in one turn is one batch, what arrives meanwhile the next', async (t) => {
  const database = held()
  const group = new GroupCommit<number>({ commit: database.commit, maxBatch: 10, maxWaiting: 100 })
  const first = [1, 2, 3].map((write) => group.submit(write))
  await until(() => database.batches.length === 1, 'the first batch is under way')
  const second = [4, 5].map((write) => group.submit(write))
  t.is(group.waiting, 2)
  await database.step()
  t.deepEqual(await Promise.all(first), [[1], [2], [3]])
  await database.step()
  await Promise.all(second)
  t.deepEqual(database.batches, [
    [1, 2, 3],
    [4, 5],
  ])
})

test('batches are bounded', async (t) => {
  const database = held()
  const group = new GroupCommit<number>({ commit: database.commit, maxBatch: 2, maxWaiting: 100 })
  const all = Promise.all([1, 2, 3, 4, 5].map((write) => group.submit(write)))
  for (let round = 0; round < 3; round++) {
    await database.step()
  }
  await all
  t.deepEqual(database.batches, [[1, 2], [3, 4], [5]])
})

test('a write that the database refuses does not fail the others', async (t) => {
  const batches: number[][] = []
  const group = new GroupCommit<number>({
    maxBatch: 10,
    maxWaiting: 100,
    async commit(batch) {
      batches.push([...batch])
      if (batch.includes(2)) throw failed()
      return batch.map((write) => [write])
    },
  })
  const results = await Promise.allSettled([1, 2, 3].map((write) => group.submit(write)))
  t.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  t.deepEqual(batches, [[1, 2, 3], [1], [2], [3]])
})

test('a batch whose outcome is unknown is never made twice', async (t) => {
  let calls = 0
  const group = new GroupCommit<number>({
    maxBatch: 10,
    maxWaiting: 100,
    async commit() {
      calls += 1
      throw new CodedError('store_outcome_unknown', 'gone')
    },
  })
  const results = await Promise.allSettled([1, 2].map((write) => group.submit(write)))
  t.true(
    results.every((result) => result.status === 'rejected' && result.reason.code === 'store_outcome_unknown'),
  )
  t.is(calls, 1)
})

test('the queue is bounded, and takes writes again when it has room', async (t) => {
  const database = held()
  const group = new GroupCommit<number>({ commit: database.commit, maxBatch: 2, maxWaiting: 2 })
  const accepted = [group.submit(1), group.submit(2)]
  const error = await t.throwsAsync(group.submit(3), { instanceOf: CodedError, code: 'store_saturated' })
  t.is(error?.status, 503)
  await until(() => database.batches.length === 1, 'a batch is under way')
  const later = group.submit(4)
  await database.step()
  await Promise.all(accepted)
  await database.step()
  t.deepEqual(await later, [4])
})

test('closing waits for the last batch', async (t) => {
  const database = held()
  const group = new GroupCommit<number>({ commit: database.commit, maxBatch: 1, maxWaiting: 10 })
  const writes = Promise.all([group.submit(1), group.submit(2)])
  let closed = false
  const closing = group[Symbol.asyncDispose]().then(() => {
    closed = true
  })
  await t.throwsAsync(group.submit(3), { code: 'store_closed' })
  await database.step()
  await until(() => database.batches.length === 2, 'the last batch is under way')
  t.false(closed)
  await database.step()
  await closing
  t.deepEqual(await writes, [[1], [2]])
})
