import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { resolve } from 'node:path'

export type PortKind = 'udp' | 'tcp'

/** A process that has a port. */
export interface PortHolder {
  readonly pid: number
  /** Its command line, which may hold passwords. */
  readonly name: string
  /** Its program, and the file that the program runs: nothing that is a secret. */
  readonly program: string
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
    if (filesOf(entry).some((target) => inodes.has(target))) return { pid: Number(entry), ...namesOf(entry) }
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

function namesOf(pid: string): Pick<PortHolder, 'name' | 'program'> {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean)
    const [program = 'unknown', ...rest] = words
    const folder = readlinkSync(`/proc/${pid}/cwd`)
    const file = rest.find((word) => !word.startsWith('-') && existsSync(resolve(folder, word)))
    return {
      name: words.join(' ').slice(0, NAME_LENGTH),
      program: file === undefined ? program : `${program} ${file}`,
    }
  } catch {
    return { name: 'unknown', program: 'unknown' }
  }
}
