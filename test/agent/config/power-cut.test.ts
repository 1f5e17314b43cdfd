import { execFile } from 'node:child_process'
import { cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { killAtEachFileCall } from '../../support/kill-at-file-calls.ts'
import { ConfigRig } from './config-rig.ts'

const WRITER = join(import.meta.dirname, 'config-writer-main.ts')

/** Versions that the writer said were done. */
const doneIn = (output: string) =>
  [...output.matchAll(/^done (\d+)$/gm)].map(([, version]) => Number(version))

test('a power cut before any file call leaves a whole document: the one before, or the new one', async (t) => {
  await using rig = await ConfigRig.make()
  const before = `${rig.folder}.before`
  t.teardown(() => rm(before, { recursive: true, force: true }))
  await promisify(execFile)(process.execPath, [WRITER, before, '1', '2'])

  const killed = await killAtEachFileCall(
    [WRITER, rig.folder, '3', '4'],
    async () => {
      await rm(rig.folder, { recursive: true, force: true })
      await cp(before, rig.folder, { recursive: true })
    },
    async ({ at, output }) => {
      const keeper = await rig.start()
      await keeper.resume()
      const version = Number(keeper.actual?.version)
      const done = doneIn(output).at(-1) ?? 2
      t.true(version === done || version === done + 1, `${at}: ${version} after ${output}`)
      t.is(rig.target.now.broadcasts[0]?.stream_id, `cam-${version}`, at)
      t.deepEqual(await keeper.apply(5, {}), { state: 'done' }, `${at}: left-overs are in nobody's way`)
      await keeper[Symbol.asyncDispose]()
    },
  )
  t.log(`killed ${killed} times`)
  // Each document: at least a sync and a rename of it, one of the document before, and a sync of the folder.
  t.true(killed >= 8, `killed ${killed} times`)
})

test('a power cut before the first document leaves none, or it', async (t) => {
  await using rig = await ConfigRig.make()
  await killAtEachFileCall(
    [WRITER, rig.folder, '1', '1'],
    () => rm(rig.folder, { recursive: true, force: true }),
    async ({ at, output }) => {
      const keeper = await rig.start()
      await keeper.resume()
      if (doneIn(output).length > 0) t.is(keeper.actual?.version, 1, at)
      t.true(keeper.actual === null || keeper.actual.version === 1, at)
      t.deepEqual(await keeper.apply(2, {}), { state: 'done' }, at)
      await keeper[Symbol.asyncDispose]()
    },
  )
})

test('a damaged document gives way to the one before it, and garbage to none', async (t) => {
  await using rig = await ConfigRig.make()
  const keeper = await rig.start()
  for (const version of [1, 2]) await keeper.apply(version, { backlog_mb: version })
  const file = join(rig.folder, 'config.json')
  for (const garbage of ['', '{"format":1', '\0'.repeat(600), '{"format":1,"hub":"","newest":9}']) {
    await writeFile(file, garbage)
    await writeFile(`${file}.new`, garbage)
    const again = await rig.start()
    await again.resume()
    t.is(rig.target.now.backlog_mb, 1)
    t.true(rig.lines.some((line) => line.includes('damaged')))
  }
  await writeFile(join(rig.folder, 'config.previous.json'), '?')
  const empty = await rig.start()
  await empty.resume()
  t.is(empty.actual, null)
  t.deepEqual(await empty.apply(2, { backlog_mb: 2 }), { state: 'done' })
})
