import { descendants, programOf } from './processes.ts'

/** The switch processes below a process, such as a hub: one for each switched stream. */
export function switchProcesses(pid: number): number[] {
  return descendants(pid).filter((each) => programOf(each).includes('switch-main'))
}
