import type { ChildProcess } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { createWorker, type types } from 'mediasoup'
import { CodedError } from '../common/errors.ts'
import type { ChildWatch } from '../common/supervision/child-watch.ts'
import { workerBinary, workerSends } from './worker-binary.ts'

const LAUNCHER = join(import.meta.dirname, 'worker-launcher.sh')
const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/**
 * Starts a mediasoup worker. mediasoup alone waits for ever for a worker that stops before its first message, and
 * closes its workers when the hub gets a signal, so that nothing could drain. Here such a worker is ended, and a signal
 * closes nothing.
 * @param batchedSends whether the worker's packets may leave many at a time, where set-up proved that
 * @param startWithinMs how long the worker may be silent by its own fault until it runs, ms
 * @throws CodedError `worker_silent` when the worker sent nothing; the signal's reason when it is aborted first
 */
export async function startMediaWorker(
  watch: ChildWatch,
  batchedSends: boolean,
  startWithinMs: number,
  signal: AbortSignal,
): Promise<types.Worker> {
  signal.throwIfAborted()
  const { created, child } = create(batchedSends)
  let silent = false
  using _watched =
    child?.pid === undefined
      ? null
      : watch.watch(child.pid, startWithinMs, () => {
          silent = true
          child.kill('SIGKILL')
        })
  const onAbort = () => child?.kill('SIGKILL')
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await created
  } catch (error) {
    if (silent)
      throw new CodedError(
        'worker_silent',
        `media worker ${child?.pid} did not start within ${startWithinMs} ms: it was ended`,
      )
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** mediasoup makes the process and its listeners at once, and gives them out only after the worker's first message. */
function create(batchedSends: boolean): { created: Promise<types.Worker>; child: ChildProcess | undefined } {
  let child: ChildProcess | undefined
  const onChild = (message: unknown) => {
    child = (message as { readonly process: ChildProcess }).process
  }
  const listening = SIGNALS.map((signal) => new Set(process.listeners(signal)))
  const forLauncher = launcherEnv(batchedSends)
  Object.assign(process.env, forLauncher)
  subscribe('child_process', onChild)
  try {
    const created = createWorker({
      workerBin: LAUNCHER,
      logLevel: 'warn',
      logTags: ['ice', 'dtls', 'rtp', 'srtp', 'rtcp'],
    })
    for (const [index, signal] of SIGNALS.entries())
      for (const listener of process.listeners(signal))
        if (!listening[index]!.has(listener)) process.off(signal, listener)
    return { created, child }
  } finally {
    unsubscribe('child_process', onChild)
    for (const name of Object.keys(forLauncher)) delete process.env[name]
  }
}

/** What worker-launcher.sh and the worker's shim read. mediasoup gives a worker the environment of this process. */
function launcherEnv(batchedSends: boolean): Record<string, string> {
  const binary = workerBinary()
  const sends = workerSends(binary)
  const batched = batchedSends && sends.batched
  return {
    LANECAST_WORKER: binary,
    LANECAST_BATCHED_SENDS: batched ? 'on' : 'off',
    LANECAST_WORKER_LIBRARY: (batched && sends.library) || '',
  }
}
