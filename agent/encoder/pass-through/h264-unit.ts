/** NAL unit types (H.264 table 7-1). */
const SLICE = 1
const IDR_SLICE = 5

/** Whether an access unit (Annex B) has a B-slice: its picture may need a later one. Reads the first slice (section 7.3.3). */
export function hasBSlice(unit: Buffer): boolean {
  for (let at = unit.indexOf('000001', 0, 'hex'); at >= 0; at = unit.indexOf('000001', at + 3, 'hex')) {
    const type = unit[at + 3]! & 0x1f
    if (type === IDR_SLICE) return false
    if (type === SLICE) return isB(unit.subarray(at + 4, at + 16))
  }
  return false
}

/** Whether a unit has an IDR picture. */
export function hasIdr(unit: Buffer): boolean {
  for (let at = unit.indexOf('000001', 0, 'hex'); at >= 0; at = unit.indexOf('000001', at + 3, 'hex')) {
    const type = unit[at + 3]! & 0x1f
    if (type === IDR_SLICE) return true
    if (type === SLICE) return false
  }
  return false
}

/** `first_mb_in_slice`, then `slice_type`: 1 and 6 are B (table 7-6). */
function isB(header: Buffer): boolean {
  let bit = 0
  const read = (): number => (header[bit >> 3]! >> (7 - (bit++ & 7))) & 1
  const golomb = (): number => {
    let zeros = 0
    while (bit < header.length * 8 && read() === 0) zeros += 1
    let value = 1
    for (let index = 0; index < zeros && bit < header.length * 8; index += 1) value = value * 2 + read()
    return value - 1
  }
  golomb()
  const type = golomb()
  return type === 1 || type === 6
}

/**
 * Why browsers would not show a stream of these caps as it is; null where they do: progressive 4:2:0 of 8 bits in a profile
 * that they decode.
 */
export function whyNotShown(caps: string): string | null {
  const value = (name: string): string | undefined =>
    new RegExp(`${name}=\\([a-z]+\\)([^,; ]+)`).exec(caps)?.[1]
  const profile = value('profile') ?? ''
  if (
    !['constrained-baseline', 'baseline', 'main', 'high', 'constrained-high', 'progressive-high'].includes(
      profile,
    )
  )
    return `its profile is ${profile || 'unknown'}`
  const interlace = value('interlace-mode') ?? 'progressive'
  if (interlace !== 'progressive') return 'it is interlaced'
  if ((value('chroma-format') ?? '4:2:0') !== '4:2:0') return 'its chroma is not 4:2:0'
  if ((value('bit-depth-luma') ?? '8') !== '8') return 'it has more than 8 bits'
  return null
}

/** Whether this profile has no B-slices at all. */
export const neverReorders = (caps: string): boolean => /profile=\(string\)(constrained-)?baseline/.test(caps)
