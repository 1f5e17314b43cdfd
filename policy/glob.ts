/**
 * Compiles a pattern in which `*` stands for any run of characters and `?` for exactly one; the whole text must
 * match. There is no regular expression behind it: the worst case is pattern length x text length, whatever is
 * written in the pattern.
 */
export function compileGlob(pattern: string): (text: string) => boolean {
  const wild = pattern.search(/[*?]/)
  if (wild === -1) return (text) => text === pattern
  if (pattern === '*') return () => true
  const prefix = pattern.slice(0, wild)
  if (pattern.slice(wild) === '*') return (text) => text.startsWith(prefix)
  return (text) => matches(pattern, text)
}

/** Whether a pattern is nothing but `*`. */
export function matchesAll(pattern: string): boolean {
  return /^\*+$/.test(pattern)
}

/** Whether there may be a text that both patterns match. Says no only where there surely is none. */
export function patternsMayMeet(one: string, other: string): boolean {
  if (!/[*?]/.test(one)) return compileGlob(other)(one)
  if (!/[*?]/.test(other)) return compileGlob(one)(other)
  const [a, b] = [one.split(/[*?]/), other.split(/[*?]/)]
  return (
    agree(a[0]!, b[0]!, (long, short) => long.startsWith(short)) &&
    agree(a.at(-1)!, b.at(-1)!, (long, short) => long.endsWith(short))
  )
}

function agree(one: string, other: string, test: (long: string, short: string) => boolean): boolean {
  return one.length > other.length ? test(one, other) : test(other, one)
}

/** Greedy with one point of return: only the last `*` seen can ever need to take in more. */
function matches(pattern: string, text: string): boolean {
  let [at, star, retry] = [0, -1, 0]
  for (let index = 0; index < text.length; ) {
    const wanted = pattern[at]
    if (wanted === '*') {
      star = at
      retry = index
      at += 1
    } else if (wanted !== undefined && (wanted === '?' || wanted === text[index])) {
      at += 1
      index += 1
    } else if (star !== -1) {
      retry += 1
      index = retry
      at = star + 1
    } else return false
  }
  while (pattern[at] === '*') at += 1
  return at === pattern.length
}
