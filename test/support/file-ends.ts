import { writeSync } from 'node:fs'
import { registerCompletionHandler } from 'ava'
import { descendants, programOf } from './processes.ts'

/**
 * Makes sure that a test file's process ends: ava waits for it without end, and ava's own watch on idle files is blind
 * while the longest `t.timeout()` of a file lasts. Processes and sockets that a test left open fail its file, by name,
 * and are ended. ava.config.js loads this before each file.
 */

/** A file that takes longer is stuck, ms. The slowest takes an eighth of this on a quiet machine. */
const FILE_MS = 480_000
/** Connections that are closing when the last test is over have this long, ms. */
const CLOSING_MS = 10_000
/** A file fails for these of the things that keep a process alive. A timer that runs out by itself is no fault. */
const LEFT_OPEN = /Process|Socket|Server|UDP/

const STDERR = 2

function leaveBecause(what: string, left: readonly string[]): never {
  // Written synchronously: the process exits with the next line, and no stream would be flushed.
  writeSync(STDERR, `${[what, ...left].join('\n')}\n`)
  process.exit(1)
}

/** Ends what is left of a test's processes, and returns their names. */
function endProcesses(): string[] {
  return descendants(process.pid).map((pid) => {
    const program = programOf(pid)
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It is gone already.
    }
    return `  process ${pid}: ${program}`
  })
}

const leftOpen = () => process.getActiveResourcesInfo().filter((resource) => LEFT_OPEN.test(resource))

setTimeout(() => {
  leaveBecause(
    `this test file is not over after ${FILE_MS / 1000} s: ${leftOpen().join(', ')}`,
    endProcesses(),
  )
}, FILE_MS).unref()

registerCompletionHandler(() => {
  setTimeout(() => {
    const left = leftOpen()
    if (left.length === 0) process.exit(0)
    const seconds = CLOSING_MS / 1000
    leaveBecause(`left open ${seconds} s after the last test: ${left.join(', ')}`, endProcesses())
  }, CLOSING_MS).unref()
})
