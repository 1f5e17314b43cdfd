import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Time of some cores since the machine started, in ticks: idle, and all. */
export interface CoreTimes {
  readonly idle: number
  readonly all: number
}

/** @param text of /proc/stat, proc(5) */
export function coreTimes(cores: readonly number[], text = readFileSync('/proc/stat', 'utf8')): CoreTimes {
  const wanted = new Set(cores.map((core) => `cpu${core}`))
  let [idle, all] = [0, 0]
  for (const line of text.split('\n')) {
    const [name = '', ...fields] = line.split(' ')
    if (!wanted.has(name)) continue
    // user, nice, system, idle, iowait, irq, softirq, steal; what guests take is in the first two already.
    const times = fields.slice(0, 8).map(Number)
    idle += times[3]! + times[4]!
    all += times.reduce((sum, ticks) => sum + ticks, 0)
  }
  return { idle, all }
}

/** Idle share between two readings. */
export const idleShare = (before: CoreTimes, after: CoreTimes): number =>
  (after.idle - before.idle) / (after.all - before.all)

/** Datagrams that the kernel dropped so far because the UDP sockets of a process (IPv4) had no room. */
export function droppedDatagrams(pid: number): number {
  const own = new Set<string>()
  for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${descriptor}`))?.[1]
    if (inode !== undefined) own.add(inode)
  }
  let dropped = 0
  for (const line of readFileSync(`/proc/${pid}/net/udp`, 'utf8').trim().split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/)
    // Fields of udp(7): the inode is the tenth, and drops come last.
    if (own.has(fields[9]!)) dropped += Number(fields.at(-1))
  }
  return dropped
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    // The descriptor was closed while we looked.
    return ''
  }
}
