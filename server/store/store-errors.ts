import { CodedError } from '../../common/errors.ts'

export function storeClosed(): CodedError {
  return new CodedError('store_closed', 'the store is closed')
}

/** Nobody can tell whether the transaction was committed. */
export function outcomeUnknown(cause: unknown): CodedError {
  return new CodedError('store_outcome_unknown', 'it is not known whether the write was made', {
    cause,
    details: ['the database went away meanwhile: read the document before trying again'],
  })
}

/** Somebody removed the chain's head. New records could not be told from forged ones. */
export function auditHeadMissing(): CodedError {
  return new CodedError('audit_head_missing', "the audit trail's head is gone from the database", {
    details: ['until the head is back the hub does nothing that must be recorded: see npm run audit:verify'],
  })
}

/** What to do with a damaged SQLite database, in the order of the attempts. */
export const MEND_SQLITE = [
  'stop the hub, and copy lanecast.sqlite with its -wal and -shm files: keep the copy, whatever comes of it',
  'put a back-up in its place, and remove the -wal and -shm files (docs/operations.md, "A damaged database")',
  "without a back-up, save what can be read: sqlite3 lanecast.sqlite .dump | sed 's/^ROLLBACK.*/COMMIT;/' | sqlite3 recovered.sqlite",
  'or start anew: move the data folder away; senders, tokens and policies must then be set up again',
] as const

const MEND_POSTGRES = [
  'stop the hubs, and look into the log of PostgreSQL: it names the table and the file',
  'restore the last pg_dump, or let PostgreSQL rebuild what can be rebuilt: REINDEX DATABASE (docs/operations.md, "A damaged database")',
] as const

/** The content of the database is broken, and waiting does not help. @param what is damaged, in words */
export function databaseDamaged(
  what: string,
  cause: unknown,
  of: 'sqlite' | 'postgres' = 'sqlite',
): CodedError {
  return new CodedError('database_damaged', what, {
    cause,
    details: of === 'sqlite' ? MEND_SQLITE : MEND_POSTGRES,
  })
}

/** A document's text differs from what was stored. */
export function documentDamaged(name: string, cause: unknown): CodedError {
  return new CodedError('database_damaged', `the database is damaged: ${name} is no JSON`, {
    cause,
    details: [
      'somebody edited the database, or its disk failed: put a back-up in its place (docs/operations.md, "A damaged database")',
      `or delete that document from the table lanecast_document: its content is lost`,
    ],
  })
}
