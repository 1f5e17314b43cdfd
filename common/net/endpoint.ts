import { isIPv4, isIPv6 } from 'node:net'

/** Values of Linux. */
const AF_INET = 2
const AF_INET6 = 10
/** Words of `struct sockaddr_in`, ip(7), and of `struct sockaddr_in6`, ipv6(7). */
const WORDS = { 4: 4, 6: 7 } as const

/** Words between two addresses where several are kept one behind the other. */
export const ENDPOINT_WORDS = 8
export const ENDPOINT_BYTES = ENDPOINT_WORDS * 4

/** What maps find an address by: equal for equal addresses. Of IPv4 it is a number, which needs no memory of its own. */
export type AddressKey = number | string

/** A transport address (IP and port) in the kernel's form: 32-bit words of a little-endian machine. */
export class Endpoint {
  readonly words: Uint32Array

  constructor(words: Uint32Array) {
    this.words = words
  }

  /** @param at index of the address's first word in `words`, of which a copy is made */
  static at(words: Uint32Array, at: number): Endpoint {
    const family = familyAt(words, at)
    const copy = words.slice(at, at + WORDS[family])
    // The flow label is no part of the address.
    if (family === 6) copy[1] = 0
    return new Endpoint(copy)
  }

  /** @param ip as node:net takes it, without a zone. @throws TypeError for anything else */
  static of(ip: string, port: number): Endpoint {
    if (isIPv4(ip)) return Endpoint.from(Uint8Array.from(ip.split('.').map(Number)), port)
    if (!isIPv6(ip)) throw new TypeError(`"${ip}" is not an IP address`)
    return Endpoint.from(bytesOfIpv6(ip), port)
  }

  /** @param address 4 or 16 bytes */
  static from(address: Uint8Array, port: number): Endpoint {
    const family = address.length === 4 ? 4 : 6
    const words = new Uint32Array(WORDS[family])
    const bytes = new Uint8Array(words.buffer)
    bytes[0] = family === 4 ? AF_INET : AF_INET6
    bytes[2] = port >>> 8
    bytes[3] = port & 0xff
    bytes.set(address, family === 4 ? 4 : 8)
    return new Endpoint(words)
  }

  get family(): 4 | 6 {
    return familyAt(this.words, 0)
  }

  get port(): number {
    const swapped = this.words[0]! >>> 16
    return ((swapped & 0xff) << 8) | (swapped >>> 8)
  }

  /** 4 or 16 bytes. */
  get address(): Uint8Array {
    const bytes = new Uint8Array(this.words.buffer, this.words.byteOffset, this.words.byteLength)
    return this.family === 4 ? bytes.subarray(4, 8) : bytes.subarray(8, 24)
  }

  /** Of address and port. */
  get key(): AddressKey {
    return endpointKey(this.words, 0)
  }

  /** Of the address alone. */
  get addressKey(): AddressKey {
    return addressKey(this.words, 0)
  }

  get ip(): string {
    const { address } = this
    if (address.length === 4) return address.join('.')
    const groups = Array.from({ length: 8 }, (_, index) =>
      ((address[index * 2]! << 8) | address[index * 2 + 1]!).toString(16),
    )
    // The URL parser writes the shortest form (RFC 5952).
    return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
  }

  /** `192.0.2.1:3478` or `[2001:db8::1]:3478`. */
  toString(): string {
    return this.family === 4 ? `${this.ip}:${this.port}` : `[${this.ip}]:${this.port}`
  }
}

function familyAt(words: Uint32Array, at: number): 4 | 6 {
  return (words[at]! & 0xffff) === AF_INET ? 4 : 6
}

/** How many words the address at this index has. */
export function wordsOf(words: Uint32Array, at: number): 4 | 7 {
  return WORDS[familyAt(words, at)]
}

/** Key of address and port. */
export function endpointKey(words: Uint32Array, at: number): AddressKey {
  const port = words[at]! >>> 16
  return familyAt(words, at) === 4 ? words[at + 1]! * 65_536 + port : `${port}/${ipv6Key(words, at)}`
}

/** Key of the address alone. */
export function addressKey(words: Uint32Array, at: number): AddressKey {
  return familyAt(words, at) === 4 ? words[at + 1]! : ipv6Key(words, at)
}

/** With the zone, which tells link-local addresses of several networks apart. */
function ipv6Key(words: Uint32Array, at: number): string {
  return `${words[at + 2]},${words[at + 3]},${words[at + 4]},${words[at + 5]}%${words[at + 6]}`
}

/** Whether `endpoint` is the address at this index of `words`. */
export function isAt(endpoint: Uint32Array, words: Uint32Array, at: number): boolean {
  if (endpoint[0] !== words[at]) return false
  if (endpoint.length === WORDS[4]) return endpoint[1] === words[at + 1]
  for (let word = 2; word < WORDS[6]; word += 1) if (endpoint[word] !== words[at + word]) return false
  return true
}

/** Bytes of a valid IPv6 address of any form. */
function bytesOfIpv6(ip: string): Uint8Array {
  const [head = '', tail] = new URL(`http://[${ip}]`).hostname.slice(1, -1).split('::')
  const groups = (text: string) =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
  const [first, last] = [groups(head), groups(tail ?? '')]
  const all =
    tail === undefined ? first : [...first, ...Array(8 - first.length - last.length).fill(0), ...last]
  return Uint8Array.from(all.flatMap((group: number) => [group >>> 8, group & 0xff]))
}
