import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { ChildWatch } from '../../../common/supervision/child-watch.ts'
import { sampleOf } from '../../../common/supervision/thread-sample.ts'
import { until } from '../../support/until.ts'

const LIMIT_MS = 1000

/** A Node process that runs `script`. */
function child(script: string): ChildProcess & Disposable {
  const spawned = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  return Object.assign(spawned, { [Symbol.dispose]: () => void spawned.kill('SIGKILL') })
}

const IDLE = 'process.stdout.write("up"); setInterval(() => {}, 1000)'

test('a stopped process and a looping process are found; a speaking process is not', async (t) => {
  using watch = new ChildWatch()
  using stopped = child(IDLE)
  using loops = child('process.stdout.write("up"); for (;;);')
  using speaks = child('setInterval(() => process.stdout.write("x"), 100)')
  const children = { stopped, loops, speaks }
  await Promise.all(Object.values(children).map(({ stdout }) => once(stdout!, 'data')))
  stopped.kill('SIGSTOP')
  const hung = new Set<string>()
  for (const [name, { pid, stdout }] of Object.entries(children)) {
    const watched = watch.watch(pid!, LIMIT_MS, () => hung.add(name))
    stdout!.on('data', () => watched.spoke())
  }
  await until(() => hung.has('stopped') && hung.has('loops'), 'both are found', 20_000)
  t.deepEqual([...hung].sort(), ['loops', 'stopped'])
})

test('a watcher that stood still hears the waiting messages before it judges anybody', async (t) => {
  using watch = new ChildWatch()
  using speaks = child('setInterval(() => process.stdout.write("x"), 50)')
  await once(speaks.stdout!, 'data')
  let hung = 0
  const watched = watch.watch(speaks.pid!, LIMIT_MS, () => (hung += 1))
  speaks.stdout!.on('data', () => watched.spoke())
  for (let round = 0; round < 3; round += 1)
    // Here a timer that is due meanwhile comes before what waits to be read.
    await new Promise<void>((resolve) =>
      setImmediate(() => {
        for (const end = performance.now() + 1.5 * LIMIT_MS; performance.now() < end; );
        resolve()
      }),
    )
  await until(() => watched.silentMs === 0, 'it is heard')
  t.is(hung, 0)
})

test('the kernel tells what a process does, and nothing about a process that is gone', async (t) => {
  using idle = child(IDLE)
  await once(idle.stdout!, 'data')
  await until(() => sampleOf(idle.pid!)?.state === 'S', 'it sleeps')
  t.true(sampleOf(idle.pid!)!.ranMs > 1)
  idle.kill('SIGSTOP')
  await until(() => sampleOf(idle.pid!)?.state === 'T', 'it was stopped')
  idle.kill('SIGKILL')
  await once(idle, 'exit')
  t.is(sampleOf(idle.pid!), null)
})
