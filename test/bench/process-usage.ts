import { readFileSync } from 'node:fs'

/** Kernel clock ticks per second as user space sees them; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** CPU seconds that a process has used so far, its threads included. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
  // utime and stime are fields 14 and 15 of proc(5); the split leaves out the first two.
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** Proportional set size in MB: memory with shared pages counted by their share. */
export function pssMb(pid: number): number {
  const line = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))
  return Number(line?.[1] ?? Number.NaN) / 1024
}

/** Resident memory in MB (2^20 bytes). */
export function rssMb(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? Number.NaN) / 1024
}

/** What some processes together used while `during` ran: cores (CPU seconds per second) and PSS in MB at its end. */
export async function usageOf(
  pids: readonly number[],
  during: () => Promise<void>,
): Promise<{ cores: number; pssMb: number }> {
  const total = () => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
  const [cpuBefore, startedAt] = [total(), performance.now()]
  await during()
  const seconds = (performance.now() - startedAt) / 1000
  return {
    cores: (total() - cpuBefore) / seconds,
    pssMb: pids.reduce((sum, pid) => sum + pssMb(pid), 0),
  }
}
