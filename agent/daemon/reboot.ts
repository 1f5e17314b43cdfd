import { text } from 'node:stream/consumers'
import { CodedError } from '../../common/errors.ts'
import { Child } from '../../common/supervision/child.ts'

/** The answer to the command leaves before the machine goes down, ms. */
const REBOOT_AFTER_MS = 1000
/** Longest wait for logind, ms. */
const ASK_WITHIN_MS = 5000
/** org.freedesktop.login1(5). */
const LOGIND = [
  'org.freedesktop.login1',
  '/org/freedesktop/login1',
  'org.freedesktop.login1.Manager',
] as const

/**
 * Has logind reboot this machine in a second. logind takes that from the agent's user by a rule of the package.
 * @throws CodedError `command_unavailable` with the reason
 */
export async function reboot(): Promise<void> {
  // The id of a unit's run, systemd.exec(5): a machine where somebody tries the agent by hand must not go down.
  if (process.env['INVOCATION_ID'] === undefined)
    throw new CodedError('command_unavailable', 'the agent does not run as a service here')
  const { said, how } = await ask(['CanReboot'])
  if (!said.includes('"yes"'))
    throw new CodedError('command_unavailable', 'the agent may not reboot this machine', {
      details: [`logind says: ${said.trim() || how}`, "the agent's package has a rule for polkit"],
    })
  setTimeout(() => void ask(['Reboot', 'b', 'false']), REBOOT_AFTER_MS)
}

async function ask(call: readonly string[]): Promise<{ readonly said: string; readonly how: string }> {
  const program = { command: 'busctl', args: ['call', ...LOGIND, ...call], env: {} }
  await using child = new Child(program, { heard: () => {}, broken: () => {} }, 0)
  using _ = timer(ASK_WITHIN_MS, () => child.kill())
  const said = child.stdout ? await text(child.stdout).catch(() => '') : ''
  return { said, how: await child.ended }
}

function timer(ms: number, over: () => void): Disposable {
  const timeout = setTimeout(over, ms)
  return { [Symbol.dispose]: () => clearTimeout(timeout) }
}
