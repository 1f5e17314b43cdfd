import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const REPOSITORY = resolve(import.meta.dirname, '../..')
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
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
}

/** @param given a folder that scripts see at /given @throws where this user may not make one */
export async function openCleanRoot(given: string): Promise<CleanRoot> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-root-'))
  for (const name of ['disk', 'root']) await mkdir(join(folder, name))
  // The disk is a file system of its own: an overlay can't lie above another overlay.
  const disk = join(folder, 'disk')
  const prepare = `
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
if [ -d .${REPOSITORY} ]; then mount -t tmpfs none .${REPOSITORY}; fi
ip link set lo up
exec chroot . /bin/sh -e /given/.script
`
  return {
    sh: async (script) => {
      await writeFile(join(given, '.script'), script)
      const way = ['--mount', '--net', '--pid', '--fork', '--kill-child', 'sh', '-c', prepare]
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
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
