import { setImmediate as nextTurn } from 'node:timers/promises'

/** The kernel counts a thread's CPU time in steps of this, ms. */
const CPU_STEP_MS = 4

/**
 * How long the turns of this thread's event loop are while `work` is done: the longest of them, ms. What a turn took by
 * the clock and what it took of the CPU are both too much at times: on a busy machine the clock counts others' work, and
 * the kernel counts in steps. The lesser of both is what the turn held everything else up for, on a machine of its own.
 */
export async function longestTurnMs(work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let over = false
  const turns = async () => {
    while (!over) {
      const [clock, cpu] = [performance.now(), process.threadCpuUsage()]
      await nextTurn()
      const used = process.threadCpuUsage(cpu)
      const cpuMs = (used.user + used.system) / 1000 + CPU_STEP_MS
      longest = Math.max(longest, Math.min(performance.now() - clock, cpuMs))
    }
  }
  const watched = turns()
  try {
    await work()
  } finally {
    over = true
    await watched
  }
  return longest
}
