/** Below what systems give to sockets that ask for any port: such a socket can't take one of these meanwhile. */
const FIRST = 10_000
const LAST = 32_767
const SLICES = 90
const SIZE = Math.floor((LAST - FIRST + 1) / SLICES)

/**
 * Ports for this process: processes that run at the same time have other pids, so that they mostly draw from other
 * slices. A port is opened some time after it was found free, and by then another process could have it.
 * @param taken how many of them are gone; a slice that is nearly used up gives way to all ports
 */
export function portSlice(taken: number, count = 1): { readonly first: number; readonly last: number } {
  if (taken + count > SIZE / 2) return { first: FIRST, last: LAST }
  const first = FIRST + (process.pid % SLICES) * SIZE
  return { first, last: first + SIZE - 1 }
}
