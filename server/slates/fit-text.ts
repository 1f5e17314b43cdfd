import { charactersOf } from './slate-words.ts'

/** Lines of text, and the size in which they fit. */
export interface FittedText {
  readonly lines: readonly string[]
  /** Size of the font, pixels: the height of a line. */
  readonly size: number
}

export interface Fit {
  /** The size that the text has where it fits, pixels. */
  readonly size: number
  /** Widest line, pixels. */
  readonly width: number
  readonly maxLines: number
}

/** A text in one line goes down to this share of its size before it takes another line. */
const LEAST_SHARE = 0.6
/** Height of a line that is an em high: ascent and descent of DejaVu Sans, and close to that of others. */
const LINE_PER_EM = 1.164

/**
 * Breaks a text into as few lines as have a good size. Widths are estimates that are rather too large, because the font
 * that has a script is known to the renderer alone.
 */
export function fitText(text: string, { size, width, maxLines }: Fit): FittedText {
  const characters = charactersOf(text)
  let best: FittedText = { lines: [text], size: 0 }
  for (let count = 1; count <= maxLines; count += 1) {
    const lines = breakInto(characters, count)
    const widest = Math.max(...lines.map(emsOf))
    const fitting = Math.min(size, (width / Math.max(widest, 0.1)) * LINE_PER_EM)
    if (fitting > best.size) best = { lines, size: fitting }
    if (fitting >= size * LEAST_SHARE) break
  }
  return best
}

/** Lines of about the same width, broken behind spaces and signs where there are any near. */
function breakInto(characters: readonly string[], count: number): readonly string[] {
  const widths = characters.map(emOf)
  const total = widths.reduce((sum, one) => sum + one, 0)
  const lines: string[] = []
  let from = 0
  let passed = 0
  for (let line = 1; line < count; line += 1) {
    const ideal = (total * line) / count
    let best = -1
    let bestCost = Infinity
    let at = passed
    for (let index = from; index < characters.length - 1; index += 1) {
      at += widths[index]!
      // A break in a word counts as if the line were off by a third of its width.
      const cost = Math.abs(at - ideal) + (/[\s._/-]/.test(characters[index]!) ? 0 : total / count / 3)
      if (cost < bestCost) [best, bestCost] = [index, cost]
    }
    if (best === -1) break
    lines.push(
      characters
        .slice(from, best + 1)
        .join('')
        .trim(),
    )
    passed += widths.slice(from, best + 1).reduce((sum, one) => sum + one, 0)
    from = best + 1
  }
  return [...lines, characters.slice(from).join('').trim()]
}

function emsOf(line: string): number {
  return charactersOf(line).reduce((sum, character) => sum + emOf(character), 0)
}

/** Width of a character in DejaVu Sans Bold, or in a font of its script; em. */
function emOf(character: string): number {
  if (/^[ilI.,:;|'!\-\s]/.test(character)) return 0.42
  if (/^[mwMW@%]/.test(character)) return 1.1
  if (/^[a-z_]/.test(character)) return 0.7
  if (/^[A-Z0-9]/.test(character)) return 0.78
  // Letters of alphabets; what is left is about square, as Chinese and emoji are.
  return /^[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Arabic}\p{Script=Hebrew}]/u.test(
    character,
  )
    ? 0.85
    : 1.1
}
