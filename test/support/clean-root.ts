import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Enter } from './namespaces.ts'
import { programOf } from './processes.ts'
import { until } from './until.ts'

const run = promisify(execFile)
const REPOSITORY = resolve(import.meta.dirname, '../..')
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Its mounts last as long as this process. */
const KEEPER = '/bin/sleep infinity'
/** Longest run of a script, ms. */
const SCRIPT_MS = 120_000

/**
 * This machine's system with another disk above it: what a script installs, removes and writes there is seen by that
 * script and later ones of the same root, and by nobody else. Without the repository, so that an installed program can't
 * live on its files. Network and processes are the root's own in each script.
 */
export interface CleanRoot extends AsyncDisposable {
  /** Runs a shell script as root, with the files of `folder` at /given. @returns its output @throws with it */
  sh(script: string): Promise<string>
  /** Files that scripts have made or changed since the root was opened, sorted: `usr/bin/x`. */
  changed(): Promise<string[]>
  /**
   * Lets programs live in the root, with this network. No script may run meanwhile: the disk is written by one alone.
   * @param shown folders of this machine that are seen there, too, though they are below /tmp
   */
  inhabit(network: Enter, shown?: readonly string[]): Promise<InhabitedRoot>
}

/** A root in which several programs run at a time. Its scope ends before that of the root. */
export interface InhabitedRoot extends AsyncDisposable {
  /** Words before a program and its arguments that run it there, as root. */
  readonly enter: Enter
  /** Where others see its files. */
  readonly path: string
}

/** @param given a folder that scripts see at /given @throws where this user may not make one */
export async function openCleanRoot(given: string): Promise<CleanRoot> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-root-'))
  for (const name of ['disk', 'root']) await mkdir(join(folder, name))
  // The disk is a file system of its own: an overlay can't lie above another overlay.
  const disk = join(folder, 'disk')
  const prepare = (last: string, shown: readonly string[] = []) => `
set -e
mount --make-rprivate /
mount --bind ${disk} ${disk}
mkdir -p ${disk}/upper ${disk}/work
mount -t overlay none -o lowerdir=/,upperdir=${disk}/upper,workdir=${disk}/work ${folder}/root
cd ${folder}/root
mkdir -p given
mount --bind ${given} given
mount -t proc none proc
mount --rbind /dev dev
for folder in run tmp; do mount -t tmpfs none $folder; done
for folder in ${shown.join(' ')}; do mkdir -p .$folder && mount --bind $folder .$folder; done
if [ -d .${REPOSITORY} ]; then mount -t tmpfs none .${REPOSITORY}; fi
ip link set lo up
exec chroot . ${last}
`
  return {
    sh: async (script) => {
      await writeFile(join(given, '.script'), script)
      const way = [
        '--mount',
        '--net',
        '--pid',
        '--fork',
        '--kill-child',
        'sh',
        '-c',
        prepare('/bin/sh -e /given/.script'),
      ]
      const env = { PATH: SYSTEM_PATH, LC_ALL: 'C', HOME: '/root' }
      const { stdout } = await run('unshare', way, { env, timeout: SCRIPT_MS, killSignal: 'SIGKILL' })
      return stdout
    },
    changed: async () => {
      const found = await readdir(join(disk, 'upper'), { recursive: true, withFileTypes: true })
      // A removed file is a device in this layer.
      const files = found.filter((entry) => entry.isFile() || entry.isSymbolicLink())
      return files.map((entry) => relative(join(disk, 'upper'), join(entry.parentPath, entry.name))).sort()
    },
    inhabit: async ([program, ...words], shown = []) => {
      const args = [...words, 'unshare', '--mount', 'sh', '-c', prepare(KEEPER, shown)]
      const keeper = spawn(program, args, {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { PATH: SYSTEM_PATH },
      })
      const ended = once(keeper, 'exit')
      const pid = String(keeper.pid)
      await until(() => {
        if (keeper.exitCode !== null) throw new Error(`the root ended with ${keeper.exitCode}`)
        return programOf(keeper.pid!).trim() === KEEPER
      }, 'the root can be lived in')
      return {
        enter: ['nsenter', '--net', '--mount', '--root', '--wd', '--target', pid, '--'],
        path: `/proc/${pid}/root`,
        [Symbol.asyncDispose]: async () => {
          keeper.kill('SIGKILL')
          await ended
        },
      }
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
