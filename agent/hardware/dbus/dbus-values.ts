/*
 * Values of D-Bus in bytes (D-Bus specification, "Marshaling"): each begins at a multiple of its own size, counted from the
 * message's start. Dictionaries are objects, structures are arrays, and a variant is the value inside.
 */

export type DbusValue =
  | boolean
  | number
  | bigint
  | string
  | readonly DbusValue[]
  | { readonly [key: string]: DbusValue }

/** Containers within containers; the specification allows 64. */
const DEEPEST = 64

const SIZES: Readonly<Record<string, number>> = { y: 1, n: 2, q: 2, i: 4, b: 4, u: 4, h: 4, x: 8, t: 8, d: 8 }
const ALIGNMENTS: Readonly<Record<string, number>> = {
  ...SIZES,
  s: 4,
  o: 4,
  a: 4,
  g: 1,
  v: 1,
  '(': 8,
  '{': 8,
}

/** Reads the values of a signature. Everything throws where the bytes are no such values. */
export class DbusReader {
  readonly #bytes: Buffer
  #at: number

  /** @param bytes a whole little-endian message, and where its first value begins */
  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  get at(): number {
    return this.#at
  }

  /** One value for each complete type of the signature. @throws Error */
  read(signature: string): readonly DbusValue[] {
    const values: DbusValue[] = []
    for (let rest = signature; rest !== ''; ) {
      const type = firstType(rest)
      values.push(this.#value(type, 0))
      rest = rest.slice(type.length)
    }
    return values
  }

  align(to: number): void {
    this.#at = aligned(this.#at, to)
  }

  #value(type: string, depth: number): DbusValue {
    const code = type.charAt(0)
    const alignment = ALIGNMENTS[code]
    if (alignment === undefined || depth > DEEPEST) throw new Error(`D-Bus has no type "${type}"`)
    this.align(alignment)
    if (code in SIZES) return this.#number(code)
    if (code === 's' || code === 'o') return this.#text(this.#bytes.readUInt32LE(this.#skip(4)))
    if (code === 'g') return this.#text(this.#bytes.readUInt8(this.#skip(1)))
    if (code === 'v') return this.#variant(depth)
    if (code === 'a') return this.#array(type.slice(1), depth)
    return this.#fields(type.slice(1, -1), depth)
  }

  #number(code: string): DbusValue {
    const at = this.#skip(SIZES[code]!)
    if (code === 'y') return this.#bytes.readUInt8(at)
    if (code === 'n') return this.#bytes.readInt16LE(at)
    if (code === 'q') return this.#bytes.readUInt16LE(at)
    if (code === 'i') return this.#bytes.readInt32LE(at)
    if (code === 'b') return this.#bytes.readUInt32LE(at) !== 0
    if (code === 'x') return this.#bytes.readBigInt64LE(at)
    if (code === 't') return this.#bytes.readBigUInt64LE(at)
    return code === 'd' ? this.#bytes.readDoubleLE(at) : this.#bytes.readUInt32LE(at)
  }

  /** A zero byte follows the text. */
  #text(length: number): string {
    const at = this.#skip(length + 1)
    return this.#bytes.toString('utf8', at, at + length)
  }

  #variant(depth: number): DbusValue {
    const signature = this.#text(this.#bytes.readUInt8(this.#skip(1)))
    const type = firstType(signature)
    if (type !== signature) throw new Error(`a D-Bus variant has one type, not "${signature}"`)
    return this.#value(type, depth + 1)
  }

  #array(type: string, depth: number): DbusValue {
    const length = this.#bytes.readUInt32LE(this.#skip(4))
    this.align(ALIGNMENTS[type.charAt(0)] ?? 1)
    const end = this.#at + length
    if (end > this.#bytes.length) throw new Error('a D-Bus array ends after its message')
    const values: DbusValue[] = []
    while (this.#at < end) values.push(this.#value(type, depth + 1))
    if (!type.startsWith('{')) return values
    return Object.fromEntries(values.map((entry) => entry as [DbusValue, DbusValue]))
  }

  #fields(types: string, depth: number): readonly DbusValue[] {
    const values: DbusValue[] = []
    for (let rest = types; rest !== ''; ) {
      const type = firstType(rest)
      values.push(this.#value(type, depth + 1))
      rest = rest.slice(type.length)
    }
    return values
  }

  #skip(length: number): number {
    const at = this.#at
    this.#at += length
    if (this.#at > this.#bytes.length) throw new Error('a D-Bus value ends after its message')
    return at
  }
}

/** Writes what the agent says: texts and numbers. */
export class DbusWriter {
  readonly #parts: Buffer[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts, this.#length)
  }

  align(to: number): void {
    this.#push(Buffer.alloc(aligned(this.#length, to) - this.#length))
  }

  byte(value: number): void {
    this.#push(Buffer.from([value]))
  }

  uint32(value: number): void {
    this.align(4)
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value)
    this.#push(bytes)
  }

  text(value: string): void {
    this.uint32(Buffer.byteLength(value))
    this.#push(Buffer.from(`${value}\0`))
  }

  /** Of fewer than 256 letters. */
  signature(value: string): void {
    this.#push(Buffer.from(`${String.fromCharCode(value.length)}${value}\0`, 'latin1'))
  }

  raw(bytes: Buffer): void {
    this.#push(bytes)
  }

  #push(bytes: Buffer): void {
    this.#parts.push(bytes)
    this.#length += bytes.length
  }
}

/** The first complete type of a signature, such as `a{sv}` of `a{sv}u`. @throws Error */
function firstType(signature: string): string {
  const code = signature.charAt(0)
  if (code === 'a') return `a${firstType(signature.slice(1))}`
  if (code !== '(' && code !== '{') {
    if (code === '' || ALIGNMENTS[code] === undefined) throw new Error(`"${signature}" is no D-Bus signature`)
    return code
  }
  let open = 0
  for (let at = 0; at < signature.length; at += 1) {
    const letter = signature.charAt(at)
    if (letter === '(' || letter === '{') open += 1
    if (letter === ')' || letter === '}') open -= 1
    if (open > 0) continue
    // Without a field it would take no room, and an array of them would have no end.
    if (at === 1) break
    return signature.slice(0, at + 1)
  }
  throw new Error(`"${signature}" is no D-Bus signature`)
}

function aligned(at: number, to: number): number {
  return Math.ceil(at / to) * to
}
