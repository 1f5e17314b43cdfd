/**
 * Compiles a pattern in which `*` stands for any run of characters and `?` for exactly one. The whole text must match.
 * No regular expression is used: the worst case is pattern length x text length, whatever the pattern says; see
 * globCost.
 */
export function compileGlob(pattern: string): (text: string) => boolean {
  const wild = pattern.search(/[*?]/)
  if (wild === -1) return (text) => text === pattern
  if (pattern === '*') return () => true
  const prefix = pattern.slice(0, wild)
  if (pattern.slice(wild) === '*') return (text) => text.startsWith(prefix)
  return (text) => matches(pattern, text)
}

/** Whether a text can match others than itself. */
export function isPattern(text: string): boolean {
  return /[*?]/.test(text)
}

/** Whether a pattern is nothing but `*`. */
export function matchesAll(pattern: string): boolean {
  return /^\*+$/.test(pattern)
}

/** Whether a text may exist that both patterns match. The answer is no only where no such text can exist. */
export function patternsMayMeet(one: string, other: string): boolean {
  if (!isPattern(one)) return compileGlob(other)(one)
  if (!isPattern(other)) return compileGlob(one)(other)
  const [a, b] = [one.split(/[*?]/), other.split(/[*?]/)]
  return (
    agree(a[0]!, b[0]!, (long, short) => long.startsWith(short)) &&
    agree(a.at(-1)!, b.at(-1)!, (long, short) => long.endsWith(short))
  )
}

function agree(one: string, other: string, test: (long: string, short: string) => boolean): boolean {
  return one.length > other.length ? test(one, other) : test(other, one)
}

/**
 * The highest cost of matching a pattern, in steps of some nanoseconds: 1 where the pattern is compared as a whole,
 * more where its parts are searched for in a text as long as the longest id.
 */
export function globCost(pattern: string): number {
  const [first = '', ...later] = pattern.split('*')
  if (later.length === 0) return pattern.includes('?') ? first.length : 1
  const ends = first.length + later.at(-1)!.length
  return later
    .slice(0, -1)
    .reduce((sum, part) => sum + LONGEST_ID * (part.includes('?') ? part.length : 1), ends)
}

const ANY_ONE = '?'.charCodeAt(0)

/** Ids have up to 64 characters. */
const LONGEST_ID = 64

/** Takes each part between two `*` at its first fit: a later fit could only leave less text for the parts after it. */
function matches(pattern: string, text: string): boolean {
  const [first = '', ...later] = pattern.split('*')
  const last = later.pop()
  if (last === undefined) return text.length === first.length && fitsAt(first, text, 0)
  const end = text.length - last.length
  if (end < first.length || !fitsAt(first, text, 0) || !fitsAt(last, text, end)) return false
  let at = first.length
  for (const part of later) {
    const found = placeOf(part, text, at, end)
    if (found === -1) return false
    at = found + part.length
  }
  return true
}

/** Where `part` first fits in `text`, at `from` or later and ending by `end`; -1 where it does not fit. */
function placeOf(part: string, text: string, from: number, end: number): number {
  const last = end - part.length
  // Most parts have no `?`, and the engine finds those far faster.
  if (!part.includes('?')) {
    const found = text.indexOf(part, from)
    return found <= last ? found : -1
  }
  for (let at = from; at <= last; at += 1) if (fitsAt(part, text, at)) return at
  return -1
}

function fitsAt(part: string, text: string, at: number): boolean {
  if (!part.includes('?')) return text.startsWith(part, at)
  for (let index = 0; index < part.length; index += 1) {
    const wanted = part.charCodeAt(index)
    if (wanted !== ANY_ONE && wanted !== text.charCodeAt(at + index)) return false
  }
  return true
}

/**
 * Whether `outer` matches every text that the stream pattern `inner` matches. The
 * answer yes is always right. Where both mean the same in another order (`*?` and `?*`), the answer may be no.
 */
export function patternCovers(outer: string, inner: string): boolean {
  // covered[i]: whether the first i characters of `outer` cover the part of `inner` read so far.
  let covered = Array.from({ length: outer.length + 1 }, (_, i) => /^\**$/.test(outer.slice(0, i)))
  for (const symbol of inner) {
    const next = [false]
    for (let i = 1; i <= outer.length; i += 1) {
      const wanted = outer[i - 1]
      if (wanted === '*') next[i] = covered[i] === true || covered[i - 1] === true || next[i - 1] === true
      else next[i] = covered[i - 1] === true && symbol !== '*' && (wanted === '?' || wanted === symbol)
    }
    covered = next
  }
  return covered[outer.length] === true
}
