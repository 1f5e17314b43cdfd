/**
 * Whether every text that the stream pattern `inner` matches is also matched by `outer` (see `policy/glob.ts` for what
 * patterns are). Never says so wrongly; where the same thing is written in another order (`*?` and `?*`) it may say no.
 */
export function patternCovers(outer: string, inner: string): boolean {
  // covered[i]: whether the part of `inner` seen so far is covered by the first i characters of `outer`.
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
