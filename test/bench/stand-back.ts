import { readFileSync, writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { descendants } from '../support/processes.ts'

/**
 * Makes all processes below this one use only what other processes leave. Linux shares cores between sessions first,
 * where it groups by sessions (sched(7), autogroup), and a process's own priority counts only within its session: a
 * browser in a session of its own would get its full share in spite of its priority.
 */
export function standBack(): void {
  const groups = new Set(['', autogroupOf(process.pid)])
  for (const pid of descendants(process.pid)) {
    setPriority(pid, constants.priority.PRIORITY_LOW)
    const group = autogroupOf(pid)
    if (groups.has(group)) continue
    groups.add(group)
    writeFileSync(autogroupFile(pid), String(constants.priority.PRIORITY_LOW))
  }
}

const autogroupFile = (pid: number) => `/proc/${pid}/autogroup`

/** For instance `/autogroup-12`; empty where the kernel does not group, and when the process is gone. */
function autogroupOf(pid: number): string {
  try {
    return readFileSync(autogroupFile(pid), 'utf8').split(' ', 1)[0]!
  } catch {
    return ''
  }
}
