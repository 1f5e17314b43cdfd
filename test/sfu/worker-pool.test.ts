import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import test from 'ava'
import { WorkerPool, type WorkerSlot } from '../../sfu/worker-pool.ts'
import { descendants, programOf } from '../support/processes.ts'
import { recordEvents } from '../support/recorded-events.ts'
import { udpOwner } from '../support/udp-owner.ts'
import { freeUdpPorts } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'

// Serial: they count the children of this process.

/** A pool on a free port that writes down what happens to it. */
async function openPool(count: number, basePort = 0, onReplaced: (slot: WorkerSlot) => void = () => {}) {
  const replaced: WorkerSlot[] = []
  /** The slots that were left when a worker had died. */
  const left: (readonly WorkerSlot[])[] = []
  const { events, recorded } = recordEvents(([name]) => {
    if (name === 'workerDied') left.push(pool.slots)
  })
  const pool: WorkerPool = await WorkerPool.open({
    count,
    webRtc: { ip: '127.0.0.1', announced: () => '127.0.0.1', basePort },
    batchedSends: true,
    events,
  })
  pool.onReplaced((slot) => {
    replaced.push(slot)
    onReplaced(slot)
  })
  return { pool, recorded, replaced, left, [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose]() }
}

/** The first of `count` UDP ports in a row that are free. */
async function freeRow(count: number): Promise<number> {
  for (;;) {
    const [port] = await freeUdpPorts(1)
    const row = Array.from({ length: count }, (_, index) =>
      createSocket('udp4').bind(port! + index, '127.0.0.1'),
    )
    const free = await Promise.all(row.map((socket) => once(socket, 'listening'))).then(
      () => true,
      () => false,
    )
    for (const socket of row) socket.close()
    if (free) return port!
  }
}

test.serial(
  'a worker that was closed is no place any more: who looks for one again and again comes to an end',
  async (t) => {
    await using open = await openPool(2)
    const [first, second] = open.pool.slots
    // As mediasoup does with all of them when the process gets SIGTERM: none of them dies of it.
    first?.worker.close()
    t.deepEqual(open.pool.slots, [second])
    second?.worker.close()
    t.deepEqual(open.pool.slots, [])
    t.deepEqual(open.recorded, [])
  },
)

test.serial('each worker listens on its own port, UDP and TCP', async (t) => {
  const base = await freeRow(2)
  await using open = await openPool(2, base)
  t.is(open.pool.size, 2)
  for (const { index, worker } of open.pool.slots) {
    t.is(udpOwner(base + index, [worker.pid]), worker.pid)
    const socket = connect(base + index, '127.0.0.1')
    await once(socket, 'connect')
    socket.destroy()
  }
})

test.serial('a killed worker is replaced on its port; the other worker stays', async (t) => {
  const base = await freeRow(2)
  await using open = await openPool(2, base)
  const [first, second] = open.pool.slots
  process.kill(first!.worker.pid, 'SIGKILL')
  const killedAt = performance.now()
  await until(() => open.recorded.length > 0, 'the death is told')
  t.deepEqual(open.recorded[0], ['workerDied', 0, first!.worker.pid])
  t.is(open.left[0]?.length, 1)
  t.is(open.left[0]?.[0], second)
  const [slot] = await until(() => open.replaced[0] && open.replaced, 'a successor')
  t.log(`back after ${Math.round(performance.now() - killedAt)} ms`)
  t.true(performance.now() - killedAt < 2000)
  t.is(open.pool.slots[0], slot)
  t.like(slot, { index: 0, generation: first!.generation + 1 })
  t.not(slot!.worker.pid, first!.worker.pid)
  t.true(first!.worker.closed && first!.router.closed && first!.webRtcServer.closed)
  t.is(udpOwner(base, [slot!.worker.pid]), slot!.worker.pid)
  t.is(open.pool.slots[1], second)
  t.is(open.recorded[1]?.[0], 'workerBack')
})

test.serial('a worker that hangs is ended and replaced on its port; who waits for it hears so', async (t) => {
  const base = await freeRow(2)
  await using open = await openPool(2, base)
  const [first, second] = open.pool.slots
  process.kill(first!.worker.pid, 'SIGSTOP')
  const stoppedAt = performance.now()
  const since = () => performance.now() - stoppedAt
  const asked = t.throwsAsync(first!.router.createDirectTransport())
  await until(() => open.pool.answering.length === 1, 'it is doubted')
  t.deepEqual(open.pool.answering, [second])
  t.is(open.pool.slots.length, 2)
  const [slot] = await until(() => open.replaced[0] && open.replaced, 'a successor')
  t.log(`back ${Math.round(since())} ms after it was stopped`)
  t.true(since() > 2500 && since() < 5000, `${since()} ms`)
  await asked
  t.like(slot, { index: 0, generation: first!.generation + 1 })
  t.is(udpOwner(base, [slot!.worker.pid]), slot!.worker.pid)
  t.is(open.pool.slots[1], second)
  t.deepEqual(
    open.recorded.map(([name]) => name),
    ['error', 'workerDied', 'workerBack'],
  )
  t.deepEqual(open.pool.answering, open.pool.slots)
})

test.serial('what goes wrong after a worker was replaced starts no second one', async (t) => {
  const base = await freeRow(1)
  await using open = await openPool(1, base, () => {
    throw new Error('nothing is there yet')
  })
  process.kill(open.pool.slots[0]!.worker.pid, 'SIGKILL')
  await until(() => open.recorded.some(([name]) => name === 'error'), 'the failure is told')
  t.deepEqual(
    open.recorded.map(([name, ...args]) => [name, args[1]]).filter(([name]) => name === 'error'),
    [['error', 'worker_restart']],
  )
  const { worker } = open.pool.slots[0]!
  t.is(udpOwner(base, [worker.pid]), worker.pid)
  t.deepEqual(
    descendants(process.pid).filter((pid) => programOf(pid).includes('mediasoup-worker')),
    [worker.pid],
  )
  t.is(open.replaced.length, 1)
})

test.serial('a worker that keeps dying is replaced each time, at growing distances', async (t) => {
  await using open = await openPool(1)
  const distances: number[] = []
  for (let round = 1; round <= 4; round++) {
    const [slot] = open.pool.slots
    process.kill(slot!.worker.pid, 'SIGKILL')
    const killedAt = performance.now()
    await until(() => open.replaced.length === round, `successor ${round}`)
    distances.push(Math.round(performance.now() - killedAt))
  }
  t.log(distances)
  t.is(open.pool.slots[0]?.generation, 4)
  t.true(distances[3]! > distances[0]! && distances[3]! < 2000)
})

test.serial('a port that is taken fails the start and leaves no worker', async (t) => {
  const base = await freeRow(2)
  const taken = createSocket('udp4').bind(base + 1, '127.0.0.1')
  await once(taken, 'listening')
  await t.throwsAsync(openPool(2, base))
  await until(() => descendants(process.pid).length === 0, 'no worker is left')
  taken.close()
})

test.serial('closing ends a worker that hangs, too, and soon', async (t) => {
  const { pool } = await openPool(2)
  process.kill(pool.slots[0]!.worker.pid, 'SIGSTOP')
  const closedAt = performance.now()
  await pool[Symbol.asyncDispose]()
  t.true(performance.now() - closedAt < 2500)
  await until(() => descendants(process.pid).length === 0, 'no worker is left')
})

test.serial('closing ends all workers, also one that has just died', async (t) => {
  const { pool, replaced } = await openPool(2)
  await using _ = pool
  const pids = pool.slots.map(({ worker }) => worker.pid)
  process.kill(pids[0]!, 'SIGKILL')
  await pool[Symbol.asyncDispose]()
  await until(() => descendants(process.pid).length === 0, 'no worker is left')
  t.deepEqual(replaced, [])
})
