import koffi from 'koffi'

const adjtimex = koffi.load('libc.so.6').func('int adjtimex(void *timex)')

/** `struct timex` of adjtimex(2) on 64-bit machines. `modes` 0 only reads. */
const TIMEX = { size: 208, maxError: 24, status: 40 } as const
const STA_UNSYNC = 0x40
/** What the kernel answers for a clock that nobody disciplines. */
const TIME_ERROR = 5

export interface KernelClock {
  /** Whether somebody (NTP, PTP, GPS) disciplines the system clock. */
  readonly synchronised: boolean
  /** The most that the clock may be wrong, ms, as whoever disciplines it says. */
  readonly maxErrorMs: number
}

/** What the kernel says of the system clock; null where it says nothing, as in some containers. */
export function kernelClock(): KernelClock | null {
  const timex = Buffer.alloc(TIMEX.size)
  const state: number = adjtimex(timex)
  if (state < 0) return null
  const unsynchronised = state === TIME_ERROR || (timex.readInt32LE(TIMEX.status) & STA_UNSYNC) !== 0
  return { synchronised: !unsynchronised, maxErrorMs: Number(timex.readBigInt64LE(TIMEX.maxError)) / 1000 }
}
