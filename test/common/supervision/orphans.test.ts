import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'ava'
import { sampleOf } from '../../../common/supervision/thread-sample.ts'
import { until } from '../../support/until.ts'

test('children of every kind end with a parent that is killed: one that speaks, loops, was stopped, or is a foreign program', async (t) => {
  const parent = spawn(process.execPath, [resolve(import.meta.dirname, 'parent-main.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface({ input: parent.stdout }), 'line')
  const pids = JSON.parse(line) as number[]
  t.is(pids.length, 4)
  process.kill(pids.at(-1)!, 'SIGSTOP')
  t.true(pids.every((pid) => sampleOf(pid) !== null))
  parent.kill('SIGKILL')
  await until(() => pids.every((pid) => gone(pid)), 'all are gone')
})

/** A zombie that nobody waits for is gone. */
function gone(pid: number): boolean {
  const state = sampleOf(pid)?.state
  return state === undefined || state === 'Z'
}
