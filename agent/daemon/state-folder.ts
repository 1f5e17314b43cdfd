import { join } from 'node:path'

/** Where the package's unit keeps the agent's state; systemd says so itself to what it starts. */
const DEFAULT_FOLDER = '/var/lib/lanecast-agent'

/** The option of every command that needs the agent's state, for `parseArgs`. */
export const STATE_DIR_OPTION = { 'state-dir': { type: 'string' } } as const
export const STATE_DIR_USAGE = '[--state-dir FOLDER]'

/** The folder of everything that outlives the agent. It holds secrets: it belongs to the agent's user alone. */
export interface StateFolder {
  readonly folder: string
  /** Who this machine is for which hub. */
  readonly identity: string
  /** The running agent's door for programs on this machine. */
  readonly socket: string
  /** The configuration that the device applied last. */
  readonly config: string
  /** What is delivered later. */
  readonly backlog: string
}

/** @param chosen from the command line */
export function stateFolderOf(
  chosen: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): StateFolder {
  const folder = chosen ?? env['STATE_DIRECTORY'] ?? DEFAULT_FOLDER
  // What runs by systemd has a folder for sockets, which is empty after each boot.
  const runtime = chosen === undefined ? (env['RUNTIME_DIRECTORY'] ?? folder) : folder
  return {
    folder,
    identity: join(folder, 'identity.json'),
    socket: join(runtime, 'agent.sock'),
    config: join(folder, 'config'),
    backlog: join(folder, 'backlog'),
  }
}
