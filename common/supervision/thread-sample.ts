import { readFileSync } from 'node:fs'
import type { ThreadSample } from './patience.ts'

/** Reads a process's main thread from /proc, without waiting; null when it is gone, or the kernel does not count. */
export function sampleOf(pid: number): ThreadSample | null {
  try {
    // The command's name may hold spaces and parentheses: the state is the first field after the last parenthesis.
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.charAt(0)
    const [ranNs, waitedNs] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ').map(Number)
    if (ranNs === undefined || waitedNs === undefined) return null
    return { state, ranMs: ranNs / 1e6, waitedMs: waitedNs / 1e6 }
  } catch {
    return null
  }
}

/** The most resident memory of a process so far, in MB (10^6 bytes); null when it is gone. */
export function peakResidentMb(pid: number): number | null {
  try {
    const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return kib === undefined ? null : Math.round((Number(kib) * 1024) / 1e6)
  } catch {
    return null
  }
}
