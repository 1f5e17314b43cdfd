import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export type PortKind = 'udp' | 'tcp'

/** A process that has a port; `name` is its command line. */
export interface PortHolder {
  readonly pid: number
  readonly name: string
}

/** State of a listening TCP socket in /proc/net/tcp. */
const TCP_LISTEN = '0A'
const NAME_LENGTH = 500

/** Who has a port of this machine, from /proc; null where nobody has it, or only root may see who. */
export function portHolder(kind: PortKind, port: number): PortHolder | null {
  const inodes = new Set([...socketsOf(kind, port), ...socketsOf(`${kind}6`, port)])
  if (inodes.size === 0) return null
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    if (filesOf(entry).some((target) => inodes.has(target)))
      return { pid: Number(entry), name: nameOf(entry) }
  }
  return null
}

function socketsOf(table: string, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  let text: string
  try {
    text = readFileSync(`/proc/net/${table}`, 'utf8')
  } catch {
    return []
  }
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(
      (fields) => fields[1]?.endsWith(`:${hex}`) && (!table.startsWith('tcp') || fields[3] === TCP_LISTEN),
    )
    .map((fields) => `socket:[${fields[9]}]`)
}

function filesOf(pid: string): string[] {
  const folder = `/proc/${pid}/fd`
  return namesIn(folder).flatMap((fd) => {
    try {
      return [readlinkSync(`${folder}/${fd}`)]
    } catch {
      // Closed meanwhile, as the descriptor by which the folder was read.
      return []
    }
  })
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    // The process ended meanwhile, or belongs to somebody else.
    return []
  }
}

function nameOf(pid: string): string {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean)
    return words.join(' ').slice(0, NAME_LENGTH)
  } catch {
    return 'unknown'
  }
}
