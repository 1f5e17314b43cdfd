import { isIP } from 'node:net'
import { nodeIdSchema } from '../../common/wire/ids.ts'

/** Where a value came from, for error messages; later ones win. */
export type Source = 'default' | 'config file' | 'environment' | 'flag'

/**
 * One setting of the hub: its names in the three places where it may be set, the allowed values, and the default.
 * `read` takes the given value (text from environment and flags, TOML's own types from the file) and returns undefined
 * for a value that is not allowed.
 */
export interface Setting<T> {
  readonly env: string
  /** Empty for a secret, which must be in no argument. */
  readonly flag: string
  /** `table.key` in the TOML file. */
  readonly key: string
  readonly help: string
  readonly allowed: string
  readonly default: string
  readonly read: (raw: unknown) => T | undefined
}

/** An address to listen on. Port 0 means any free port. */
export interface SocketAddress {
  readonly host: string
  readonly port: number
}

type Names = Pick<Setting<unknown>, 'env' | 'flag' | 'key' | 'help' | 'default'>

export function socketAddress(names: Names): Setting<SocketAddress> {
  return {
    ...names,
    allowed: 'host:port or [ipv6]:port, the port from 0 to 65535',
    read: (raw) => {
      const match =
        typeof raw === 'string' ? /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(raw) : null
      const port = Number(match?.[3])
      return match && port <= 65_535 ? { host: match[1] ?? match[2]!, port } : undefined
    },
  }
}

/** As socketAddress, with a port from 1 on; null where it is empty. */
export function remoteAddress(names: Names): Setting<SocketAddress | null> {
  const address = socketAddress(names)
  return {
    ...names,
    allowed: 'host:port or [ipv6]:port, the port from 1 to 65535',
    read: (raw) => {
      if (raw === '') return null
      const read = address.read(raw)
      return read?.port === 0 ? undefined : read
    },
  }
}

export function wholeNumber(names: Names, min: number, max: number): Setting<number> {
  return {
    ...names,
    allowed: `a whole number from ${min} to ${max}`,
    read: (raw) => {
      const value = typeof raw === 'string' && /^-?\d+$/.test(raw.trim()) ? Number(raw) : raw
      return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
        ? value
        : undefined
    },
  }
}

export function flag(names: Names): Setting<boolean> {
  return {
    ...names,
    allowed: 'true or false',
    read: (raw) =>
      raw === true || raw === 'true' || raw === '1'
        ? true
        : raw === false || raw === 'false' || raw === '0'
          ? false
          : undefined,
  }
}

export function oneOf<const T extends string>(names: Names, values: readonly T[]): Setting<T> {
  return {
    ...names,
    allowed: values.join(', '),
    read: (raw) => values.find((value) => value === raw),
  }
}

/** Any text of 0 to 1000 characters. */
export function text(names: Names, allowed: string): Setting<string> {
  return {
    ...names,
    allowed,
    read: (raw) => (typeof raw === 'string' && raw.length <= 1000 && !raw.includes('\0') ? raw : undefined),
  }
}

/** A name in the form of an id. */
export function name(names: Names): Setting<string> {
  return {
    ...names,
    allowed: 'a name as nodes have it: 1 to 64 letters, digits, dots, dashes or underscores',
    read: (raw) => nodeIdSchema.safeParse(raw).data,
  }
}

/** An IP address or host name without a port. May be empty where `names.default` is empty. */
export function host(names: Names): Setting<string> {
  return {
    ...names,
    allowed: 'an IP address or a host name, without a port',
    read: (raw) =>
      typeof raw === 'string' && (raw === '' ? names.default === '' : /^[A-Za-z0-9.:_-]{1,253}$/.test(raw))
        ? raw
        : undefined,
  }
}

/** IP addresses and ranges, `10.0.0.0/8`: a list in the file, text with commas elsewhere. */
export function addressRanges(names: Names): Setting<readonly string[]> {
  const isRange = (text: string) => {
    const [address = '', bits, ...more] = text.split('/')
    const most = [0, 0, 0, 0, 32, 0, 128][isIP(address)]!
    return (
      more.length === 0 &&
      most > 0 &&
      (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most))
    )
  }
  return {
    ...names,
    allowed: 'IP addresses and ranges such as 10.0.0.0/8, at most 50',
    read: (raw) => {
      const list =
        typeof raw === 'string'
          ? raw
              .split(',')
              .map((each) => each.trim())
              .filter(Boolean)
          : raw
      const valid = Array.isArray(list) && list.every((each) => typeof each === 'string' && isRange(each))
      return valid && list.length <= 50 ? list : undefined
    },
  }
}

/** As addressRanges, each with its prefix length: `10.0.0.1` is `10.0.0.1/32`. */
export function networks(names: Names): Setting<readonly string[]> {
  const ranges = addressRanges(names)
  const whole = (range: string) => (range.includes('/') ? range : `${range}/${isIP(range) === 6 ? 128 : 32}`)
  return { ...ranges, read: (raw) => ranges.read(raw)?.map(whole) }
}

export function portRange(names: Names): Setting<readonly [number, number]> {
  return {
    ...names,
    allowed: 'first-last, both from 1 to 65535, the first not above the last',
    read: (raw) => {
      const match = typeof raw === 'string' ? /^(\d{1,5})-(\d{1,5})$/.exec(raw) : null
      if (!match) return undefined
      const range = [Number(match[1]), Number(match[2])] as const
      return range[0] >= 1 && range[1] <= 65_535 && range[0] <= range[1] ? range : undefined
    },
  }
}
