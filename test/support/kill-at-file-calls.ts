import { execFile } from 'node:child_process'

/** System calls that change what is on disk, where the power may be cut before any of them. */
const CALLS = [
  'mkdir',
  'link',
  'unlink',
  'rename',
  'fsync',
  'fdatasync',
  'ftruncate',
  'symlink',
  'rmdir',
] as const

export interface KilledRun {
  /** Such as `rename 2`: the program was killed before its second rename. */
  readonly at: string
  /** What the program printed until then. */
  readonly output: string
}

/**
 * Runs a program of Node again and again, and kills it before each of its file calls in turn: as kill -9 or a power cut
 * at any moment. Only calls of Node's asynchronous file functions count, which run on one thread here.
 * @param prepare makes the same state before each run
 * @returns how many runs were killed
 */
export async function killAtEachFileCall(
  program: readonly string[],
  prepare: () => Promise<void>,
  check: (run: KilledRun) => Promise<void>,
): Promise<number> {
  let killed = 0
  for (const call of CALLS)
    for (let nth = 1; ; nth++) {
      await prepare()
      const output = await killedAt(program, call, nth)
      if (output === null) break
      killed++
      await check({ at: `${call} ${nth}`, output })
    }
  return killed
}

/** @returns null where the program came to its end */
function killedAt(program: readonly string[], call: string, nth: number): Promise<string | null> {
  const inject = `inject=?${call},?${call}at,?${call}at2:signal=KILL:when=${nth}`
  const strace = ['-f', '-qq', '-o', '/dev/null', '-e', inject, process.execPath, ...program]
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1', NODE_COMPILE_CACHE: '' }
  return new Promise((resolve, reject) => {
    execFile('strace', strace, { env, timeout: 30_000 }, (error, stdout, stderr) => {
      if (!error) resolve(null)
      // strace ends as its program did.
      else if (error.signal === 'SIGKILL' && !error.killed) resolve(stdout)
      else reject(new Error(`strace failed: ${stderr || error.message}`))
    })
  })
}
