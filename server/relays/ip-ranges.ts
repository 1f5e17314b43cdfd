import { isIP } from 'node:net'
import { Endpoint } from '../../common/net/endpoint.ts'

/** Addresses of one family, from `first` to `last`. */
export interface IpRange {
  readonly family: 4 | 6
  readonly first: bigint
  readonly last: bigint
}

/** An address, or a network such as `10.0.0.0/8`. @throws TypeError for anything else */
export function ipRange(text: string): IpRange {
  const [address = '', prefix] = text.split('/')
  const family = isIP(address)
  if (family !== 4 && family !== 6) throw new TypeError(`"${text}" is no IP address or network`)
  const width = family === 4 ? 32 : 128
  const host = BigInt(width - (prefix === undefined ? width : Number(prefix)))
  const first = (numberOf(address) >> host) << host
  return { family, first, last: first + (1n << host) - 1n }
}

/** What is in any of `from`, and in none of `less`. */
export function without(from: readonly IpRange[], less: readonly IpRange[]): IpRange[] {
  let left = [...from]
  for (const { family, first, last } of less)
    left = left.flatMap((range) => {
      if (range.family !== family || range.last < first || last < range.first) return [range]
      return [
        ...(range.first < first ? [{ ...range, last: first - 1n }] : []),
        ...(last < range.last ? [{ ...range, first: last + 1n }] : []),
      ]
    })
  return left
}

export function overlaps(one: IpRange, other: IpRange): boolean {
  return one.family === other.family && one.first <= other.last && other.first <= one.last
}

/** `10.0.0.0-10.0.0.255`, or one address. */
export function writeRange({ family, first, last }: IpRange): string {
  return first === last ? write(family, first) : `${write(family, first)}-${write(family, last)}`
}

function numberOf(address: string): bigint {
  return Endpoint.of(address, 0).address.reduce((value, byte) => (value << 8n) + BigInt(byte), 0n)
}

function write(family: 4 | 6, value: bigint): string {
  const [width, parts, base, separator] =
    family === 4 ? ([8n, 4, 10, '.'] as const) : ([16n, 8, 16, ':'] as const)
  const mask = (1n << width) - 1n
  return Array.from({ length: parts }, (_, index) =>
    ((value >> (width * BigInt(parts - 1 - index))) & mask).toString(base),
  ).join(separator)
}
