import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** The one of these processes that holds a UDP socket bound to `port`, from /proc; undefined when none does. */
export function udpOwner(port: number, pids: readonly number[]): number | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const inodes = readFileSync('/proc/net/udp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(`:${hex}`))
    .map((fields) => `socket:[${fields[9]}]`)
  return pids.find((pid) => openFiles(pid).some((target) => inodes.includes(target)))
}

function openFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
  } catch {
    // The process ended, or closed a file, while we looked.
    return []
  }
}
