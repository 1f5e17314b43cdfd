import { existsSync } from 'node:fs'

/** libfaketime, of the Debian package `faketime`. */
const PLACES = ['x86_64', 'aarch64'].map((arch) => `/usr/lib/${arch}-linux-gnu/faketime/libfaketimeMT.so.1`)

/**
 * The environment of a program that sees another wall clock, also in its libraries and children. Its steady clock is the
 * machine's.
 * @param seconds how far the clock is ahead; negative behind
 */
export function otherClock(seconds: number): Record<string, string> {
  const library = PLACES.find((path) => existsSync(path))
  if (library === undefined) throw new Error('libfaketime is missing: npm run setup installs it')
  return { LD_PRELOAD: library, FAKETIME: `${seconds >= 0 ? '+' : ''}${seconds}`, DONT_FAKE_MONOTONIC: '1' }
}
