/**
 * Whether `outer` matches every text that the stream pattern `inner` matches (for patterns see `policy/glob.ts`). The
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
