import { writeSync } from 'node:fs'
import { registerCompletionHandler } from 'ava'
import { descendants, programOf } from './processes.ts'

/**
 * Sees to it that a test file's process ends: ava waits for it without end, and its own watch on idle files is blind while
 * the longest `t.timeout()` of a file lasts. What a test left running fails its file, by name, and is ended.
 * ava.config.js loads this before each file.
 */

/** A file that takes longer is stuck, ms: the slowest takes a quarter of it on a quiet machine. */
const FILE_MS = 300_000
/** Connections that are being closed when the last test is over have this long, ms. */
const CLOSING_MS = 10_000

const STDERR = 2

const endBecause = (what: string): void => {
  const children = descendants(process.pid)
  const left = children.map((pid) => `  process ${pid}: ${programOf(pid)}`)
  // The process exits with the next line: no stream would be flushed.
  writeSync(STDERR, `${what}; it has ${process.getActiveResourcesInfo().join(', ')}\n${left.join('\n')}\n`)
  for (const pid of children) endProcess(pid)
  process.exit(1)
}

const endProcess = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone already.
  }
}

setTimeout(() => endBecause(`this test file is not over after ${FILE_MS / 1000} s`), FILE_MS).unref()

registerCompletionHandler(() => {
  setTimeout(
    () => endBecause(`this test file does not end ${CLOSING_MS / 1000} s after its last test`),
    CLOSING_MS,
  ).unref()
})
