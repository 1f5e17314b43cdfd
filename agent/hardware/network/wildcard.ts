/**
 * Whether a text fits a pattern, in which each `*` stands for anything and `?` for one character. Takes at most as many
 * steps as one is long times the other: patterns come from outside, and globs with braces, or regular expressions with
 * many `*`, can keep a processor busy for years.
 */
export function fitsWildcard(text: string, pattern: string): boolean {
  let [at, want] = [0, 0]
  /** The last `*`, and how much of the text it stands for so far. */
  let [star, taken] = [-1, 0]
  while (at < text.length) {
    if (pattern[want] === '*') {
      star = want
      taken = at
      want += 1
    } else if (want < pattern.length && (pattern[want] === '?' || pattern[want] === text[at])) {
      want += 1
      at += 1
    } else if (star >= 0) {
      taken += 1
      at = taken
      want = star + 1
    } else return false
  }
  while (pattern[want] === '*') want += 1
  return want === pattern.length
}
