import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Messages several times a second, and the servo that locks at once. */
const QUICK = ['logAnnounceInterval', '-2', 'logSyncInterval', '-3', 'logMinDelayReqInterval', '-3']

export interface Ptp4l extends AsyncDisposable {
  /** Where it takes questions. */
  readonly socket: string
  stop(): Promise<void>
}

/**
 * A ptp4l of linuxptp with software time stamps. It lacks the right to set clocks: this machine's clock stays as it is.
 * @param role `follower`: never a master itself
 */
export async function startPtp4l(device: string, role: 'master' | 'follower'): Promise<Ptp4l> {
  const folder = await mkdtemp(join(tmpdir(), 'ptp-'))
  const socket = join(folder, 'ptp4l')
  const args = [
    ...[
      '--bounding-set',
      '-sys_time',
      '--inh-caps',
      '-sys_time',
      '/usr/sbin/ptp4l',
      '-S',
      '-2',
      '-i',
      device,
      '-q',
    ],
    ...(role === 'master' ? ['--priority1', '10'] : ['-s']),
    ...['--uds_address', socket, '--clock_servo', 'linreg', '--first_step_threshold', '0.5'],
    ...QUICK.map((word) => (word.startsWith('log') ? `--${word}` : word)),
  ]
  const child = spawn('setpriv', args, { stdio: 'ignore' })
  await once(child, 'spawn')
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  return {
    socket,
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
      await rm(folder, { recursive: true })
    },
  }
}
