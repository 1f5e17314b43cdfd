import { descendants, programOf } from '../../support/processes.ts'

/** The switch processes of a hub. */
export function switchProcesses(hubPid: number): number[] {
  return descendants(hubPid).filter((pid) => programOf(pid).includes('switch-main'))
}
