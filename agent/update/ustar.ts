/** One entry of a tar archive (POSIX.1-1988 ustar). */
export interface UstarEntry {
  readonly path: string
  readonly isFolder: boolean
  readonly isExecutable: boolean
  /** Of its content, bytes. */
  readonly bytes: number
}

export const BLOCK = 512
const FILE = '0'
const FOLDER = '5'

/**
 * Reads a header block; null for a block of zeros, which ends an archive. Plain files and folders alone: a release has
 * neither links nor devices.
 * @throws Error for anything else, or a wrong checksum
 */
export function readUstarHeader(block: Buffer): UstarEntry | null {
  if (block.every((byte) => byte === 0)) return null
  const text = (at: number, length: number) => {
    const field = block.subarray(at, at + length)
    const end = field.indexOf(0)
    return field.subarray(0, end === -1 ? length : end).toString('utf8')
  }
  const octal = (at: number, length: number) => {
    const digits = text(at, length).trim()
    if (!/^[0-7]+$/.test(digits)) throw new Error('the archive has a number that is none')
    return Number.parseInt(digits, 8)
  }
  if (text(257, 5) !== 'ustar') throw new Error('the archive is no ustar')
  if (octal(148, 8) !== checksumOf(block)) throw new Error('a header of the archive is damaged')
  const type = text(156, 1) || FILE
  const prefix = text(345, 155)
  const path = `${prefix === '' ? '' : `${prefix}/`}${text(0, 100)}`
  if (type !== FILE && type !== FOLDER) throw new Error(`${path} is neither a file nor a folder`)
  return {
    path: path.replace(/\/$/, ''),
    isFolder: type === FOLDER,
    isExecutable: (octal(100, 8) & 0o100) !== 0,
    bytes: type === FOLDER ? 0 : octal(124, 12),
  }
}

/** The sum of all bytes, with those of the checksum itself taken as spaces. */
function checksumOf(block: Buffer): number {
  let sum = 0
  for (let at = 0; at < BLOCK; at += 1) sum += at >= 148 && at < 156 ? 32 : block[at]!
  return sum
}
