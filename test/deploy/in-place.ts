import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { ROOT } from './deploy-files.ts'

export interface InPlaceOptions {
  /** Content of /etc/lanecast/hub.toml. */
  readonly config: string
  readonly env: Readonly<Record<string, string>>
  /** Shell commands, run one after the other as the user of the image. */
  readonly script: string
}

export interface Ended {
  readonly code: number | null
  readonly output: string
}

/**
 * Runs commands where an installed hub is: the repository at /opt/lanecast, a root that nobody can write, state in
 * /var/lib/lanecast, as user 10001 with no right but to low ports, in mounts and a network of its own. Null where this
 * process may not make them.
 */
export async function runInPlace({ config, env, script }: InPlaceOptions): Promise<Ended | null> {
  if (process.getuid?.() !== 0) return null
  const setUp = [
    'set -e',
    'mount --make-rprivate /',
    'ip link set lo up',
    'mount -t tmpfs none /mnt && cp -a /etc /mnt/etc',
    'mount --bind /mnt/etc /etc && mkdir -p /etc/lanecast && printf %s "$HUB_TOML" >/etc/lanecast/hub.toml',
    // The repository is bound before a new /opt and /var/lib hide whatever is there.
    'mkdir /mnt/opt /mnt/opt/lanecast && mount --bind "$REPOSITORY" /mnt/opt/lanecast',
    'mount --rbind /mnt/opt /opt && mount -o remount,bind,ro /opt/lanecast',
    'mount -t tmpfs none /var/lib && install -d -m 0700 -o 10001 -g 10001 /var/lib/lanecast',
    'mount -t tmpfs none /tmp && chmod 1777 /tmp',
    'mount -o remount,bind,ro /',
    'cd /opt/lanecast',
    'unset HUB_TOML REPOSITORY',
    'exec setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service --bounding-set=-all,+net_bind_service sh -c "$0"',
  ].join('\n')
  const args = ['--mount', '--net', '--pid', '--fork', '--kill-child', 'sh', '-c', setUp, script]
  const child: ChildProcess = spawn('unshare', args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...env, HUB_TOML: config, REPOSITORY: ROOT },
    timeout: 90_000,
    killSignal: 'SIGKILL',
  })
  let output = ''
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}
