/** A pseudo-random generator (mulberry32) that gives the same numbers for the same seed, so that a finding repeats. */
export class SeededRandom {
  #state: number

  constructor(seed: string) {
    let hash = 2_166_136_261
    for (const char of `${seed}${process.env.FUZZ_SEED ?? ''}`)
      hash = Math.imul(hash ^ char.charCodeAt(0), 16_777_619)
    this.#state = hash | 0
  }

  /** @returns a whole number from 0 to `limit - 1` */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }

  bytes(length: number): Buffer {
    const data = Buffer.allocUnsafe(length)
    for (let at = 0; at < length; at++) data[at] = this.below(256)
    return data
  }
}

type Mutation = (good: Buffer, random: SeededRandom) => Buffer

/** Ways to spoil a transport stream. */
export const mutations: readonly (readonly [string, Mutation])[] = [
  ['random bytes', (_good, random) => random.bytes(50_000)],
  [
    'random packets with sync bytes',
    (_good, random) => {
      const data = random.bytes(188 * 300)
      for (let at = 0; at < data.length; at += 188) data[at] = 0x47
      return data
    },
  ],
  [
    'random packets of the PIDs in use',
    (_good, random) => {
      const data = random.bytes(188 * 300)
      for (let at = 0; at < data.length; at += 188) {
        data[at] = 0x47
        data.writeUInt16BE([0, 0x100, 0x101, 0x1000][random.below(4)]! | (random.below(2) << 14), at + 1)
      }
      return data
    },
  ],
  [
    'bit flips',
    (good, random) => {
      const data = Buffer.from(good)
      const flips = 1 + random.below(2000)
      for (let flip = 0; flip < flips; flip++) {
        const at = random.below(data.length)
        data[at] = data[at]! ^ (1 << random.below(8))
      }
      return data
    },
  ],
  [
    'bit flips in headers',
    (good, random) => {
      const data = Buffer.from(good)
      for (let packet = 0; packet < data.length; packet += 188) {
        if (random.below(10) > 0) continue
        const at = packet + random.below(24)
        data[at] = data[at]! ^ (1 << random.below(8))
      }
      return data
    },
  ],
  [
    'truncations',
    (good, random) => {
      const parts: Buffer[] = []
      for (let part = 0; part < 30; part++) {
        const from = random.below(good.length)
        parts.push(good.subarray(from, from + random.below(5000)))
      }
      return Buffer.concat(parts)
    },
  ],
  [
    'packets lost, repeated, swapped',
    (good, random) => {
      const packets = Array.from({ length: good.length / 188 }, (_, index) =>
        good.subarray(index * 188, index * 188 + 188),
      )
      for (let change = 0; change < 100; change++) {
        const at = random.below(packets.length - 1)
        const kind = random.below(3)
        if (kind === 0) packets.splice(at, 1 + random.below(20))
        else if (kind === 1) packets.splice(at, 0, packets[at]!)
        else packets.splice(at, 2, packets[at + 1]!, packets[at]!)
      }
      return Buffer.concat(packets)
    },
  ],
  [
    'a storm of PIDs',
    (good, random) => {
      const data = Buffer.from(good)
      for (let at = 0; at < data.length; at += 188) {
        if (random.below(2) === 0)
          data.writeUInt16BE((data.readUInt16BE(at + 1) & 0xe000) | random.below(8192), at + 1)
      }
      return data
    },
  ],
]
