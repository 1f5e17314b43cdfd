import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'

/** {@link coreSpeed} of an idle core of the slowest machine that the tests' bounds were proved on; it has two of them. */
const PROVED_SPEED = 2
const PROVED_CORES = 2
/**
 * A further file needs this share of the machine that one file was proved on. Two files on that machine left it idle seven
 * tenths of the time: files seldom want most at the same moment.
 */
const FURTHER_FILE = 0.7
const MOST_FILES = 4

/** What is read over and over: it takes memory and garbage collection as the hub's own work does. */
const TEXT = JSON.stringify(
  Array.from({ length: 1000 }, (_, index) => ({ [`name${index}`]: `${index}`, index })),
)
/** Of the first rounds some are spent on compiling, ms. */
const WARM_UP_MS = 10
/** Many steps of the kernel's count of CPU time, and some turns of a busy machine's cores, ms. */
const MEASURED_MS = 40
/** A measurement holds the event loop: its result is good for so long, ms. */
const MEASURED_EVERY_MS = 3000
let measured = { at: Number.NEGATIVE_INFINITY, speed: PROVED_SPEED }

const cpuMs = () => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** How often this thread reads the text in a millisecond by `clock`. */
function coreSpeed(clock: () => number): number {
  const from = clock() + WARM_UP_MS
  for (let rounds = 0; ; ) {
    JSON.parse(TEXT)
    const now = clock()
    if (now > from) rounds += 1
    if (now > from + MEASURED_MS) return rounds / (now - from)
  }
}

/**
 * How many times the CPU time of the machine that bounds were proved on this one needs for the same work now, 1 where it
 * is as fast or faster. Other programs do not count by the time they take, but by the caches that they spoil. A bound on
 * CPU time times this is the same bound on any machine.
 */
export function slowness(): number {
  const at = performance.now()
  if (at > measured.at + MEASURED_EVERY_MS) measured = { at, speed: coreSpeed(cpuMs) }
  return Math.max(1, PROVED_SPEED / measured.speed)
}

/**
 * How many test files with media this machine can run at a time, by what its cores together get done beside those on
 * which one file at a time was proved to be in time. Takes half a second.
 */
export async function mediaFilesAtOnce(): Promise<number> {
  const cores = Array.from({ length: availableParallelism() }, () => new Worker(import.meta.filename))
  const speeds = await Promise.all(cores.map(async (core) => Number((await once(core, 'message'))[0])))
  const sum = speeds.reduce((total, speed) => total + speed, 0)
  const machines = sum / (PROVED_SPEED * PROVED_CORES)
  return Math.min(MOST_FILES, 1 + Math.max(0, Math.floor((machines - 1) / FURTHER_FILE)))
}

/** The best of several readings: what another program takes for a moment says nothing about the minutes that follow. */
const READINGS = 8

if (!isMainThread)
  parentPort?.postMessage(
    Math.max(...Array.from({ length: READINGS }, () => coreSpeed(() => performance.now()))),
  )
