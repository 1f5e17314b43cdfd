import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import test from 'ava'
import { holdFolder } from '../../../server/store/folder-lock.ts'

test('a data folder is one hub’s, until that ends, however it ends', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lanecast-lock-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const other = join(folder, 'holder.ts')
  const lock = resolve(import.meta.dirname, '../../../server/store/folder-lock.ts')
  writeFileSync(
    other,
    `import { holdFolder } from '${lock}'
     globalThis.held = holdFolder(process.argv[2])
     process.send('held')
     setInterval(() => {}, 1000)`,
  )
  const data = join(folder, 'data')
  const holder = fork(other, [data])
  t.teardown(() => holder.kill('SIGKILL'))
  await once(holder, 'message')
  t.is(statSync(join(data, 'hub.lock')).mode & 0o777, 0o600)
  t.throws(() => holdFolder(data, 10), { code: 'data_folder_in_use' })
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  using held = holdFolder(data, 10)
  t.truthy(held)
})
