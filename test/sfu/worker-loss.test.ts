import test from 'ava'
import { CodedError } from '../../common/errors.ts'
import { LOOPBACK } from '../../sfu/router-pipes.ts'
import { orNoWorker } from '../../sfu/worker-loss.ts'
import { openWorkers } from '../support/local-workers.ts'

test('work that was under way on a worker when it died is an error that says when to ask again', async (t) => {
  await using pool = await openWorkers(1)
  const [{ worker, router }] = pool.slots as [(typeof pool.slots)[number]]
  process.kill(worker.pid, 'SIGSTOP')
  const underWay = router.createPlainTransport({ listenInfo: LOOPBACK })
  process.kill(worker.pid, 'SIGKILL')
  const error = await t.throwsAsync(underWay)
  const told = orNoWorker(error)
  t.true(told instanceof CodedError)
  t.like(told, { code: 'no_worker', status: 503 })
  // Nor may what begins afterwards be taken for a fault of the hub.
  const late = await t.throwsAsync(router.createPlainTransport({ listenInfo: LOOPBACK }))
  t.like(orNoWorker(late), { code: 'no_worker' })
  const other = new Error('another')
  t.is(orNoWorker(other), other)
})
