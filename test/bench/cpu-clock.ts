import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const timespec = koffi.struct('timespec', { tv_sec: 'int64', tv_nsec: 'int64' })
const clockOf = libc.func('int clock_getcpuclockid(int pid, _Out_ int *clock)')
const readClock = libc.func('clock_gettime', 'int', ['int', koffi.out(koffi.pointer(timespec))])

/** CPU time of a process so far, all its threads, ms. To the nanosecond, where /proc counts ticks of 10 ms. */
export function cpuMs(pid: number): number {
  const clock = [0]
  if (clockOf(pid, clock) !== 0) throw new Error(`process ${pid} is gone`)
  const time = { tv_sec: 0, tv_nsec: 0 }
  if (readClock(clock[0], time) !== 0) throw new Error(`process ${pid} has no clock of its CPU time`)
  return time.tv_sec * 1000 + time.tv_nsec / 1e6
}
