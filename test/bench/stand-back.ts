import { readFileSync, writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { descendants } from '../support/processes.ts'

/**
 * Lets all processes below this one have only what everybody else leaves. Linux shares cores between sessions first, where
 * it groups by them (sched(7), autogroup), and a process's own priority counts within its session alone: a browser that
 * was started in one of its own would get its full share in spite of it.
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

/** E.g. `/autogroup-12`; empty where the kernel does not group, and when the process is gone. */
function autogroupOf(pid: number): string {
  try {
    return readFileSync(autogroupFile(pid), 'utf8').split(' ', 1)[0]!
  } catch {
    return ''
  }
}
