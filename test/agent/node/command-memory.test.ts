import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { CommandMemory } from '../../../agent/node/command-memory.ts'

test('what ended the process is remembered by the next, and nothing else of it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-memory-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'commands.json')
  const memory = await CommandMemory.open(file)
  t.is(memory.outcomeOf('n-1'), null)
  await memory.begin('n-1', { do: 'probe-encoders' })
  await memory.end('n-1', { state: 'done' })
  t.deepEqual(memory.outcomeOf('n-1'), { state: 'done' })
  t.deepEqual(await readdir(folder), [])
  await memory.begin('n-2', { do: 'reboot' })
  t.is(memory.outcomeOf('n-2'), null)
  t.deepEqual(await readdir(folder), ['commands.json'])

  const next = await CommandMemory.open(file)
  t.is(next.outcomeOf('n-1'), null)
  t.like(next.outcomeOf('n-2'), { state: 'done' })
  for (let count = 0; count < 100; count += 1) await next.begin(`m-${count}`, { do: 'probe-encoders' })
  t.is(next.outcomeOf('n-2'), null)

  await writeFile(file, '{"damaged')
  t.is((await CommandMemory.open(file)).outcomeOf('n-2'), null)
})
