import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import test from 'ava'
import { startHub } from '../support/hub.ts'
import { blocksOf, checkCalls, isDoor, runBlocks } from './run-blocks.ts'

const DOCUMENT = resolve(import.meta.dirname, '../../docs/whip-whep.md')

test('docs/whip-whep.md does what it says, and every call of the doors has a line', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-docs-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const blocks = blocksOf(await readFile(DOCUMENT, 'utf8'))
  await using hub = await startHub([])
  const calls = await runBlocks(
    blocks,
    hub.url,
    folder,
    (script) => `HUB=${hub.url}\nTOKEN=${hub.adminToken}\n${script}`,
  )
  const { shown, operations } = await checkCalls(t, hub.url, blocks, calls)
  // In the order in which the text tells them.
  const statuses = calls.map(({ status }) => status)
  t.deepEqual(statuses, [201, 204, 200, 201, 204, 200, 200, 404, 204, 204, 204, 204])
  const ofDoors = operations.filter(isDoor)
  t.is(ofDoors.length, 10)
  t.deepEqual(
    ofDoors.filter((operation) => !shown.has(operation)),
    [],
  )
})
