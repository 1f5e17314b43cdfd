import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
/** A system call that does nothing, and a function of libc that makes none. Both are called alike. */
const getppid: () => number = libc.func('int getppid(void)')
const getpagesize: () => number = libc.func('int getpagesize(void)')

const CALLS = 20_000
const BATCHES = 10

/**
 * The price of the simplest system call on this machine, us. It is the time of `getppid` less the time of a call into
 * libc that stays there, each of its fastest batch.
 */
export function syscallUs(): number {
  let [withCall, without] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let batch = 0; batch < BATCHES; batch += 1) {
    withCall = Math.min(withCall, batchUs(getppid))
    without = Math.min(without, batchUs(getpagesize))
  }
  return withCall - without
}

/** Of one call, us. */
function batchUs(call: () => number): number {
  const from = performance.now()
  for (let index = 0; index < CALLS; index += 1) call()
  return ((performance.now() - from) * 1000) / CALLS
}
