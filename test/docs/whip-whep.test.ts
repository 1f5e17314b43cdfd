import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { startHub } from '../support/hub.ts'

const DOCUMENT = resolve(import.meta.dirname, '../../docs/whip-whep.md')
const BLOCK = /^```sh\n([\s\S]*?)^```$/gm

test('docs/whip-whep.md does what it says', async (t) => {
  const document = await readFile(DOCUMENT, 'utf8')
  const lines = Array.from(document.matchAll(BLOCK), ([, block]) => block).join('\n')
  await using hub = await startHub([])
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-docs-'))
  try {
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', lines], {
      cwd: folder,
      env: { ...process.env, HUB: hub.url, TOKEN: hub.adminToken },
      timeout: 20_000,
    })
    const statuses = Array.from(stdout.matchAll(/^HTTP\/1\.1 (\d+)/gm), ([, status]) => status)
    // In the order in which the text tells them.
    t.deepEqual(statuses, ['201', '204', '200', '201', '200', '404'], stdout)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
