import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../../common/errors.ts'
import { openForWriting, sqliteFailure } from './sqlite-database.ts'
import { SqliteWriter } from './sqlite-writer.ts'
import type { FromWriter, ToWriter, WriterSetup } from './sqlite-writer-protocol.ts'

/** The thread that waits for the disk, so that the hub's main thread does not. */

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
