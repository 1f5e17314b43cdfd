/** Most characters of a name that a slate shows. */
const MAX_NAME = 80
/** Longest name that is looked at, UTF-16 units: one visible character may have many. */
const MAX_NAME_UNITS = 1000
/** Most code points of one visible character: more are marks piled up to spoil the picture. */
const MAX_CLUSTER = 8

/** Control characters, line breaks, and what turns the direction of all text behind it. */
const UNPRINTABLE =
  /[\p{Cc}\p{Co}\p{Zl}\p{Zp}\u{61C}\u{200E}\u{200F}\u{202A}-\u{202E}\u{2066}-\u{2069}\u{FFF9}-\u{FFFB}]+/gu

const clusters = new Intl.Segmenter('und', { granularity: 'grapheme' })

/** What a slate says. */
export interface SlateWords {
  readonly name: string
  /** `no input since 12:34:56 UTC` */
  readonly since: string
  /** `2026-11-30`: a slate may stand for days. */
  readonly date: string
}

/**
 * The words of a slate. Any text may be a name: what can't be drawn is left out, what is too long ends in an ellipsis.
 * @param sinceUnixMs when the last input went, Unix ms
 */
export function slateWords(name: string, sinceUnixMs: number): SlateWords {
  const at = new Date(Number.isFinite(sinceUnixMs) ? clampDate(sinceUnixMs) : 0).toISOString()
  return { name: drawable(name), since: `no input since ${at.slice(11, 19)} UTC`, date: at.slice(0, 10) }
}

/** The visible characters of a text. */
export function charactersOf(text: string): string[] {
  return Array.from(clusters.segment(text), ({ segment }) => segment)
}

function drawable(name: string): string {
  const line = name
    .slice(0, MAX_NAME_UNITS)
    .toWellFormed()
    .replaceAll(UNPRINTABLE, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
  const shown = charactersOf(line).map((one) => Array.from(one).slice(0, MAX_CLUSTER).join(''))
  return shown.length <= MAX_NAME ? shown.join('') : `${shown.slice(0, MAX_NAME - 1).join('')}…`
}

/** Four-digit years. */
function clampDate(unixMs: number): number {
  return Math.min(Math.max(unixMs, 0), Date.UTC(9999, 11, 31))
}
