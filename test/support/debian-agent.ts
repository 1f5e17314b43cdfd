import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { InhabitedRoot } from './clean-root.ts'
import { PackagedAgent } from './packaged-agent.ts'

const run = promisify(execFile)

/** As deploy/agent/lanecast-agent.service has them. */
const FOLDERS = {
  STATE_DIRECTORY: '/var/lib/lanecast-agent',
  RUNTIME_DIRECTORY: '/run/lanecast-agent',
  CACHE_DIRECTORY: '/var/cache/lanecast-agent',
}
const USER = 'lanecast-agent'
const RIGHTS = ['inh', 'ambient'].map((set) => `--${set}-caps=+net_admin`)

/**
 * Installs a Debian package into a root. What root calls there works by the launcher alone; what a service manager starts
 * has the user, rights and folders of the package's unit.
 * @param deb its path in that root
 */
export async function installDebian(
  { enter, path }: InhabitedRoot,
  deb: string,
  env: Readonly<Record<string, string>> = {},
): Promise<PackagedAgent> {
  const [program, ...words] = enter
  const all = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', ...env }
  const there = (...args: string[]) => run(program, [...words, ...args], { env: all })
  await there('dpkg', '--install', deb)
  await there('install', '--directory', `--owner=${USER}`, `--group=${USER}`, FOLDERS.RUNTIME_DIRECTORY)
  const asUser = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--init-groups', ...RIGHTS, '--']
  const folders = Object.entries(FOLDERS).map(([name, folder]) => `${name}=${folder}`)
  return new PackagedAgent({
    call: [...enter, '/usr/bin/lanecast-agent'],
    run: [...enter, ...asUser, 'env', ...folders, '/usr/lib/lanecast-agent/lanecast-agent'],
    env: all,
    socket: `${path}${FOLDERS.RUNTIME_DIRECTORY}/agent.sock`,
    remove: async () => {},
  })
}
