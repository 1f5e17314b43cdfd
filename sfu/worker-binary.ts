import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { workerBin } from 'mediasoup'
import { CodedError } from '../common/errors.ts'

/** Where `npm run setup` puts the worker that it fetched or built. */
const setUp = join(import.meta.dirname, '..', 'node_modules', '.lanecast', 'mediasoup-worker')

/**
 * Path of the mediasoup worker to run: the one that `MEDIASOUP_WORKER_BIN` names, else the one that set-up prepared,
 * else the one in mediasoup's own package. Throws `worker_binary_missing` when none can be executed.
 */
export function workerBinary(): string {
  const named = process.env.MEDIASOUP_WORKER_BIN
  if (named) {
    if (executable(named)) return named
    throw missing(`MEDIASOUP_WORKER_BIN names ${named}, which is not an executable file`)
  }
  for (const path of [setUp, workerBin]) if (executable(path)) return path
  throw missing('there is no mediasoup worker yet')
}

/** How the packets of a worker leave: many by one system call, or each by its own. */
export type WorkerSends =
  /** `library` is loaded into the worker; null where the worker has its code linked in. */
  | { readonly batched: true; readonly library: string | null }
  | { readonly batched: false; readonly why: string }

/** How this worker may send, as set-up proved it on this machine; set-up wrote it beside the binary. */
export function workerSends(binary: string): WorkerSends {
  const proved = textOf(`${binary}.sends`)
  if (proved === 'linked') return { batched: true, library: null }
  if (proved !== 'loaded')
    return { batched: false, why: proved ?? 'set-up has not proved them with this worker' }
  const library = `${binary}.so`
  return existsSync(library)
    ? { batched: true, library }
    : { batched: false, why: `${library} is gone: run \`npm run setup\`` }
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return null
  }
}

function missing(what: string): CodedError {
  return new CodedError('worker_binary_missing', `${what}: run \`npm run setup\``)
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
