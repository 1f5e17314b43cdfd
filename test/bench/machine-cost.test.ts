import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { cpuMs } from './cpu-clock.ts'
import { syscallUs } from './syscall-cost.ts'

test('the CPU time of another process is what it used, and nothing while it waits', async (t) => {
  const code = `
    process.on('message', () => {
      const used = () => process.cpuUsage().user + process.cpuUsage().system
      const from = used()
      while (used() - from < 200_000);
      process.send((used() - from) / 1000)
    })
    process.send('ready')`
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'message')
  const before = cpuMs(child.pid!)
  child.send('work')
  const [usedMs] = (await once(child, 'message')) as [number]
  const after = cpuMs(child.pid!)
  t.true(Math.abs(after - before - usedMs) < 100, `${after - before} of ${usedMs} ms`)
  child.kill('SIGSTOP')
  const stopped = cpuMs(child.pid!)
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.true(cpuMs(child.pid!) - stopped < 20)
})

test('a process that is gone has no CPU time', (t) => {
  t.throws(() => cpuMs(2 ** 22), { message: /is gone/ })
})

test('a system call costs more than nothing, and less than a packet', (t) => {
  const us = syscallUs()
  t.true(us > 0.01 && us < 20, `${us} us`)
})
