import { closeSync, openSync } from 'node:fs'

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}

const hadTerminal = hasTerminal()

/**
 * Whether the terminal that this program was started in was closed: then the system sends SIGHUP to all that ran there. A
 * program that was started without one, as by systemd, has none to lose.
 */
export function terminalIsGone(): boolean {
  return hadTerminal && !hasTerminal()
}
