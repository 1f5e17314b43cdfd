import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { ChildWatch } from '../../common/supervision/child-watch.ts'
import { startMediaWorker } from '../../sfu/media-worker.ts'
import { workerBinary, workerSends } from '../../sfu/worker-binary.ts'
import { descendants } from '../support/processes.ts'
import { until } from '../support/until.ts'

// Serial: they count the children of this process, and name a worker in its environment.

const WITHIN_MS = 500
const forever = new AbortController().signal

/** Has workers begin with these lines of shell; after them the real one runs. */
async function beginWith(lines: string) {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-worker-'))
  const real = workerBinary()
  const before = process.env.MEDIASOUP_WORKER_BIN
  const script = join(folder, 'worker')
  await writeFile(script, `#!/bin/sh\n${lines}\nexec ${real} "$@"\n`)
  await chmod(script, 0o755)
  process.env.MEDIASOUP_WORKER_BIN = script
  return {
    folder,
    async [Symbol.asyncDispose]() {
      if (before === undefined) delete process.env.MEDIASOUP_WORKER_BIN
      else process.env.MEDIASOUP_WORKER_BIN = before
      await rm(folder, { recursive: true })
    },
  }
}

test.serial('a signal to the hub or to its group closes no worker', async (t) => {
  using watch = new ChildWatch()
  const listeners = process.listenerCount('SIGTERM')
  const worker = await startMediaWorker(watch, true, 5000, forever)
  t.is(process.listenerCount('SIGTERM'), listeners)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.kill(worker.pid, signal)
  for (let asked = 0; asked < 3; asked += 1) t.truthy(await worker.getResourceUsage())
  t.false(worker.closed)
  worker.close()
  await until(() => descendants(process.pid).length === 0, 'it ends when it is closed')
})

test.serial('a worker that stops before it speaks is ended, and who waits for it hears so', async (t) => {
  await using _ = await beginWith('kill -STOP $$')
  using watch = new ChildWatch()
  await t.throwsAsync(startMediaWorker(watch, true, WITHIN_MS, forever), { code: 'worker_silent' })
  await until(() => descendants(process.pid).length === 0, 'no worker is left')
})

test.serial('a caller that gives up waits for no stopped worker', async (t) => {
  await using _ = await beginWith('kill -STOP $$')
  using watch = new ChildWatch()
  const closing = new AbortController()
  const started = t.throwsAsync(startMediaWorker(watch, true, 60_000, closing.signal), { name: 'AbortError' })
  await until(() => descendants(process.pid).length > 0, 'it is there')
  closing.abort()
  await started
  await until(() => descendants(process.pid).length === 0, 'no worker is left')
})

test.serial('a worker that ends before it speaks fails at once', async (t) => {
  await using _ = await beginWith('exit 7')
  using watch = new ChildWatch()
  await t.throwsAsync(startMediaWorker(watch, true, 60_000, forever), { message: /code:7/ })
})

test.serial(
  'where packets are to leave one by one, they do, whatever the environment of the hub says',
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'lanecast-a=b '))
    const report = join(folder, 'counters')
    // The folder of a worker may have any name: `env` would take this one for a variable.
    const binary = join(folder, 'worker')
    await symlink(workerBinary(), binary)
    const set = {
      LANECAST_BATCHED_SENDS: 'on',
      LANECAST_BATCHED_SENDS_REPORT: report,
      MEDIASOUP_WORKER_BIN: binary,
    }
    const before = { ...process.env }
    Object.assign(process.env, set)
    try {
      using watch = new ChildWatch()
      const worker = await startMediaWorker(watch, false, 5000, forever)
      t.truthy(await worker.getResourceUsage())
      worker.close()
      await until(() => descendants(process.pid).length === 0, 'it ends when it is closed')
      t.false(existsSync(report))
    } finally {
      for (const name of Object.keys(set)) delete process.env[name]
      Object.assign(process.env, before)
      await rm(folder, { recursive: true })
    }
  },
)

test('a library that is gone is not said to be loaded', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-worker-'))
  const binary = join(folder, 'worker')
  try {
    t.like(workerSends(binary), { batched: false })
    await writeFile(`${binary}.sends`, 'linked\n')
    t.deepEqual(workerSends(binary), { batched: true, library: null })
    await writeFile(`${binary}.sends`, 'loaded\n')
    t.like(workerSends(binary), { batched: false })
    await writeFile(`${binary}.so`, '')
    t.deepEqual(workerSends(binary), { batched: true, library: `${binary}.so` })
  } finally {
    await rm(folder, { recursive: true })
  }
})
