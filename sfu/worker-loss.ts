import { errors } from 'mediasoup'
import { CodedError } from '../common/errors.ts'

/**
 * What mediasoup says of work that was under way on a worker when the worker died, in the words that clients know: they
 * ask again, and another worker answers. Any other error stays as it is.
 */
export function orNoWorker(error: unknown): unknown {
  return error instanceof errors.WorkerClosedError ? workerLost() : error
}

/** Work was under way on a worker that died. */
export function workerLost(): CodedError {
  return new CodedError('no_worker', 'a media worker died meanwhile; try again in a second')
}
