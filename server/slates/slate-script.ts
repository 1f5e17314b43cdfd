import type { PictureSize } from '../../policy/viewed-stream.ts'
import { type FittedText, fitText } from './fit-text.ts'
import { signDrawing } from './lanecast-sign.ts'
import type { SlateWords } from './slate-words.ts'

/** Colours in the order of ASS: blue, green, red. */
const WHITE = '&HFFFFFF&'
const PALE = '&HD6C8BC&'
const DIM = '&HA69484&'
const BLACK = '&H000000&'

/** What is behind the words: our own picture, which leaves them the middle, or a tenant's, where they have a band. */
export type Ground = 'own' | 'uploaded'

/**
 * The words of a slate, and our sign where the picture is our own, as a script of Advanced SubStation Alpha for libass,
 * which knows all scripts and directions. The sizes go by the shorter side, so that a portrait reads like a landscape.
 */
export function slateScript(words: SlateWords, size: PictureSize, ground: Ground): string {
  const events = ground === 'own' ? inTheMiddle(words, size) : inABand(words, size)
  return `[Script Info]
ScriptType: v4.00+
PlayResX: ${size.width}
PlayResY: ${size.height}
WrapStyle: 2
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BackColour, Bold, BorderStyle, Outline, Shadow, Alignment, Encoding
Style: Words,DejaVu Sans,20,&H00FFFFFF,&H00000000,&H00000000,0,1,0,0,5,-1

[Events]
Format: Layer, Start, End, Style, Text
${events.map((text, layer) => `Dialogue: ${layer},0:00:00.00,9:00:00.00,Words,${text}`).join('\n')}
`
}

function inTheMiddle(words: SlateWords, { width, height }: PictureSize): string[] {
  const unit = Math.min(width, height)
  const [name, since, date] = linesOf(words, unit, width * 0.88)
  const sign = unit * 0.17
  const gaps = { sign: unit * 0.06, name: unit * 0.035, since: unit * 0.02 }
  const tall = sign + gaps.sign + heightOf(name) + gaps.name + heightOf(since) + gaps.since + heightOf(date)
  const x = width / 2
  let y = (height - tall) / 2
  const below = (text: FittedText, gap: number) => {
    const middle = y + heightOf(text) / 2
    y += heightOf(text) + gap
    return middle
  }
  const events = signDrawing(x, y + sign / 2, sign)
  y += sign + gaps.sign
  return [
    ...events,
    line(name, x, below(name, gaps.name), `\\an5\\b1\\c${WHITE}`),
    line(since, x, below(since, gaps.since), `\\an5\\c${PALE}`),
    line(date, x, below(date, 0), `\\an5\\c${DIM}`),
  ]
}

function inABand(words: SlateWords, { width, height }: PictureSize): string[] {
  const unit = Math.min(width, height)
  const margin = unit * 0.05
  const [name, since, date] = linesOf(words, unit * 0.68, width - 2 * margin)
  const gap = unit * 0.012
  const tall = heightOf(name) + heightOf(since) + heightOf(date) + 2 * gap
  const top = height - tall - 2 * margin * 0.7
  let y = top + margin * 0.7
  const below = (text: FittedText) => {
    const middle = y + heightOf(text) / 2
    y += heightOf(text) + gap
    return middle
  }
  const box = `m 0 ${Math.floor(top)} l ${width} ${Math.floor(top)} ${width} ${height} 0 ${height}`
  return [
    `{\\an7\\pos(0,0)\\c${BLACK}\\alpha&H48&\\p1}${box}`,
    line(name, margin, below(name), `\\an4\\b1\\c${WHITE}`),
    line(since, margin, below(since), `\\an4\\c${WHITE}`),
    line(date, margin, below(date), `\\an4\\c${PALE}`),
  ]
}

function linesOf(words: SlateWords, unit: number, width: number): [FittedText, FittedText, FittedText] {
  return [
    fitText(words.name, { size: unit * 0.13, width, maxLines: 3 }),
    fitText(words.since, { size: unit * 0.085, width, maxLines: 2 }),
    fitText(words.date, { size: unit * 0.058, width, maxLines: 1 }),
  ]
}

function heightOf({ lines, size }: FittedText): number {
  return lines.length * size
}

function line({ lines, size }: FittedText, x: number, y: number, tags: string): string {
  const text = lines.map(escaped).join('\\N')
  return `{${tags}\\fs${size.toFixed(2)}\\pos(${x.toFixed(2)},${y.toFixed(2)})}${text}`
}

/** Braces begin tags, and a backslash begins a command; ASS knows no way to write a backslash. */
function escaped(text: string): string {
  return text.replaceAll('\\', '∖').replaceAll('{', '\\{').replaceAll('}', '\\}')
}
