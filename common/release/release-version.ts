/**
 * Compares two versions (semver.org section 11): negative where `a` is older.
 * @param a as `releaseVersionSchema` has it
 */
export function compareVersions(a: string, b: string): number {
  const [coreOfA, preOfA] = split(a)
  const [coreOfB, preOfB] = split(b)
  for (const at of [0, 1, 2]) {
    const step = Number(coreOfA[at] ?? 0) - Number(coreOfB[at] ?? 0)
    if (step !== 0) return step
  }
  // A pre-release comes before its release.
  if (preOfA.length === 0 || preOfB.length === 0) return preOfB.length - preOfA.length
  for (let at = 0; at < Math.max(preOfA.length, preOfB.length); at += 1) {
    const step = compareParts(preOfA[at], preOfB[at])
    if (step !== 0) return step
  }
  return 0
}

function split(version: string): [core: string[], preRelease: string[]] {
  const dash = version.indexOf('-')
  if (dash === -1) return [version.split('.'), []]
  return [version.slice(0, dash).split('.'), version.slice(dash + 1).split('.')]
}

/** Numbers come before words; of two equal beginnings the shorter comes first. */
function compareParts(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1)
  const [isNumberA, isNumberB] = [/^\d+$/.test(a), /^\d+$/.test(b)]
  if (isNumberA && isNumberB) return Number(a) - Number(b)
  if (isNumberA !== isNumberB) return isNumberA ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}
