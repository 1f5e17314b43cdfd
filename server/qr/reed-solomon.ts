/** The field's polynomial, x^8 + x^4 + x^3 + x^2 + 1 (ISO/IEC 18004 section 7.5.2). */
const FIELD = 0x11d

/** Powers of 2 in GF(2^8), twice, and their logarithms. */
const POWER = new Uint8Array(510)
const LOGARITHM = new Uint8Array(256)
for (let exponent = 0, value = 1; exponent < 255; exponent += 1) {
  POWER[exponent] = value
  POWER[exponent + 255] = value
  LOGARITHM[value] = exponent
  value = value < 128 ? value * 2 : (value * 2) ^ FIELD
}

function product(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : POWER[LOGARITHM[a]! + LOGARITHM[b]!]!
}

/** The product of (x - 2^i) for i below `degree`, without its first coefficient, which is 1. */
function generator(degree: number): Uint8Array {
  let coefficients = Uint8Array.of(1)
  for (let root = 0; root < degree; root += 1) {
    const next = new Uint8Array(coefficients.length + 1)
    for (const [index, coefficient] of coefficients.entries()) {
      next[index]! ^= coefficient
      next[index + 1]! ^= product(coefficient, POWER[root]!)
    }
    coefficients = next
  }
  return coefficients.subarray(1)
}

/** The bytes of Reed-Solomon error correction for a block. */
export function correctionOf(data: Uint8Array, bytes: number): Uint8Array {
  const divisor = generator(bytes)
  const rest = new Uint8Array(bytes)
  for (const byte of data) {
    const factor = byte ^ rest[0]!
    rest.copyWithin(0, 1)
    rest[bytes - 1] = 0
    for (const [index, coefficient] of divisor.entries()) rest[index]! ^= product(coefficient, factor)
  }
  return rest
}
