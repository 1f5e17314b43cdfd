import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../../common/errors.ts'
import type { AuditKey } from '../audit/audit-chain.ts'
import type { PreparedWrite } from './prepared-write.ts'
import { openForWriting, sqliteFailure } from './sqlite-database.ts'
import { SqliteWriter } from './sqlite-writer.ts'
import type { Outcomes, Refusal } from './write-plan.ts'

/** The thread that waits for the disk, so that the hub's main thread does not. */

/** What the writer thread gets at its start. */
export interface WriterSetup {
  readonly file: string
  readonly auditKey: AuditKey | undefined
}

/** To the thread: a batch to commit, or the order to end. */
export type ToWriter =
  | { readonly type: 'commit'; readonly writes: readonly PreparedWrite[] }
  | { readonly type: 'close' }

/** From the thread: one message for each batch, in order. */
export type FromWriter =
  | { readonly type: 'done'; readonly outcomes: Outcomes }
  | { readonly type: 'failed'; readonly failure: Refusal; readonly cause: string }

const { file, auditKey }: WriterSetup = workerData
const port = parentPort!
const database = openForWriting(file)
const writer = new SqliteWriter(database, auditKey)

port.on('message', (message: ToWriter) => {
  if (message.type === 'close') {
    database.close()
    port.close()
    return
  }
  port.postMessage(answer(message.writes))
})

function answer(writes: Extract<ToWriter, { type: 'commit' }>['writes']): FromWriter {
  try {
    return { type: 'done', outcomes: writer.commit(writes) }
  } catch (error) {
    const { code, message, status, details, cause } = sqliteFailure(error)
    return { type: 'failed', failure: { code, message, status, details }, cause: messageOf(cause) }
  }
}
