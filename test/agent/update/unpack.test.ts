import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { zstdCompressSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { unpackRelease } from '../../../agent/update/unpack.ts'
import { makeTarball } from '../../../tools/package/tarball.ts'

const run = promisify(execFile)
const NEVER = new AbortController().signal

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-unpack-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A program of three files, one of them large, and its tarball as packaging makes it. */
async function packed(t: ExecutionContext) {
  const folder = await folderOf(t)
  const program = join(folder, 'lanecast-agent')
  await mkdir(join(program, 'agent/empty'), { recursive: true })
  await writeFile(join(program, 'node'), Buffer.alloc(3_000_001, 'a program '))
  await chmod(join(program, 'node'), 0o755)
  await writeFile(join(program, 'agent/main.ts'), 'export {}\n')
  await writeFile(join(program, 'nothing'), '')
  const file = join(folder, 'release.tar.zst')
  const release = { version: '1.0.0', architecture: 'arm64', madeAt: 1_700_000_000 } as const
  await makeTarball(release, { program, file, level: 1 })
  return { folder, program, file }
}

test('what packaging made is unpacked as it was, for its owner alone', async (t) => {
  const { folder, program, file } = await packed(t)
  const there = join(folder, 'there')
  await unpackRelease(file, there, NEVER)
  t.deepEqual(
    (await readdir(there, { recursive: true })).sort(),
    (await readdir(program, { recursive: true })).sort(),
  )
  for (const name of ['node', 'agent/main.ts', 'nothing'])
    t.is((await readFile(join(there, name))).compare(await readFile(join(program, name))), 0, name)
  t.is((await stat(join(there, 'node'))).mode & 0o777, 0o700)
  t.is((await stat(join(there, 'agent/main.ts'))).mode & 0o777, 0o600)
})

test('the same program gives the same tarball', async (t) => {
  const [one, other] = [await packed(t), await packed(t)]
  t.is((await readFile(one.file)).compare(await readFile(other.file)), 0)
})

/** Archives by GNU tar with what a release never has; `make` puts it into the folder. */
const FOREIGN: readonly [string, (folder: string) => Promise<readonly string[]>, RegExp][] = [
  [
    'a link',
    async (folder) => {
      await mkdir(join(folder, 'lanecast-agent'))
      await symlink('/etc', join(folder, 'lanecast-agent/etc'))
      return ['lanecast-agent']
    },
    /neither a file nor a folder/,
  ],
  [
    'a second name of a file',
    async (folder) => {
      await mkdir(join(folder, 'lanecast-agent'))
      await writeFile(join(folder, 'lanecast-agent/a'), 'a')
      await run('ln', [join(folder, 'lanecast-agent/a'), join(folder, 'lanecast-agent/b')])
      return ['lanecast-agent']
    },
    /neither a file nor a folder/,
  ],
  [
    'a file outside of its folder',
    async (folder) => {
      await writeFile(join(folder, 'elsewhere'), 'x')
      return ['elsewhere']
    },
    /where none may be/,
  ],
  [
    'a way up',
    async (folder) => {
      await mkdir(join(folder, 'lanecast-agent/a'), { recursive: true })
      await writeFile(join(folder, 'x'), 'x')
      return ['--absolute-names', 'lanecast-agent/a/../../x']
    },
    /where none may be/,
  ],
  [
    'a pipe',
    async (folder) => {
      await mkdir(join(folder, 'lanecast-agent'))
      await run('mkfifo', [join(folder, 'lanecast-agent/pipe')])
      return ['lanecast-agent']
    },
    /neither a file nor a folder/,
  ],
]

for (const [name, make, reason] of FOREIGN)
  test(`an archive with ${name} is refused`, async (t) => {
    const folder = await folderOf(t)
    const names = await make(folder)
    await run('tar', ['--create', '--format=ustar', '--file', 'a.tar', ...names], { cwd: folder })
    await writeFile(join(folder, 'a.zst'), zstdCompressSync(await readFile(join(folder, 'a.tar'))))
    await t.throwsAsync(unpackRelease(join(folder, 'a.zst'), join(folder, 'there'), NEVER), {
      message: reason,
    })
  })

test('what is cut off, changed or no archive is refused', async (t) => {
  const { folder, file } = await packed(t)
  const whole = await readFile(file)
  const flipped = Buffer.from(whole)
  flipped[Math.floor(whole.length / 2)]! ^= 0xff
  const cases: readonly [string, Buffer][] = [
    ['cut off', whole.subarray(0, whole.length - 20)],
    ['cut in the middle', whole.subarray(0, whole.length / 2)],
    ['changed', flipped],
    ['empty', Buffer.alloc(0)],
    ['no zstd', Buffer.from('not at all')],
    ['zstd of nothing', zstdCompressSync(Buffer.alloc(0))],
    ['zstd of text', zstdCompressSync(Buffer.alloc(2048, 'x'))],
  ]
  for (const [name, bytes] of cases) {
    await writeFile(join(folder, 'bad'), bytes)
    await t.throwsAsync(unpackRelease(join(folder, 'bad'), join(folder, name), NEVER), undefined, name)
  }
})
