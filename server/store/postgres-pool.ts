import pg from 'pg'
import { CodedError, messageOf } from '../../common/errors.ts'
import { databaseDamaged } from './store-errors.ts'

/** Longest wait for a connection, and longest that a statement may take, in ms. */
const CONNECT_TIMEOUT_MS = 5000
const STATEMENT_TIMEOUT_MS = 15_000
/** A hub that was stopped inside a transaction must not hold up the others for longer, ms. */
const IDLE_IN_TRANSACTION_MS = 10_000

/** PostgreSQL's int8: a sequence number or a time, far below 2^53. */
const INT8_OID = 20

/**
 * At most `max` connections, made on demand. `onIdleError` gets the errors of connections that broke while unused; the
 * pool has dropped those already.
 */
export function openPool(url: string, max: number, onIdleError: (error: Error) => void): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'lanecast',
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    // The answer may be lost with the connection: give up a little after the server would have given up.
    query_timeout: STATEMENT_TIMEOUT_MS + 5000,
    keepAlive: true,
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === INT8_OID ? Number : pg.types.getTypeParser(oid, format as 'text'),
    },
  })
  pool.on('error', onIdleError)
  // A connection in use reports errors to its query and by this event, which without a listener ends the process.
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

/** Why the hub could not start with the database, for the person who starts the hub. */
export function postgresUnusable(error: unknown): CodedError {
  if (error instanceof CodedError) return error
  const state = sqlState(error)
  if (state === 'XX001' || state === 'XX002')
    return databaseDamaged(
      `the PostgreSQL of DATABASE_URL is damaged: ${messageOf(error)}`,
      error,
      'postgres',
    )
  // Neither the message nor the cause is shown: they may hold the URL, and with it the password.
  if (error instanceof TypeError || error instanceof URIError)
    return new CodedError('database_unusable', 'DATABASE_URL is no PostgreSQL connection string', {
      details: ['it looks like postgresql://user:password@host:5432/database'],
    })
  return new CodedError(
    'database_unusable',
    `can't use the PostgreSQL of DATABASE_URL: ${messageOf(error)}`,
    {
      cause: error,
      details: [startAdvice(state)],
    },
  )
}

function startAdvice(state: string | undefined): string {
  if (state === '3D000') return 'create the database first: createdb NAME'
  if (state?.startsWith('28'))
    return 'the user or the password is wrong, or the server does not let this user in'
  if (state === '42501') return 'the user must own the database or be allowed to create tables in it'
  return 'is the server running, and reachable from here?'
}

/** The error for the caller of a failed query or commit. The database's message is in `cause`, for the log alone. */
export function postgresFailure(error: unknown): CodedError {
  if (error instanceof CodedError) return error
  const state = sqlState(error)
  const options = { status: 503, cause: error }
  // Class XX: data_corrupted, index_corrupted.
  if (state === 'XX001' || state === 'XX002')
    return databaseDamaged('the database is damaged', error, 'postgres')
  if (state === '53100') return new CodedError('store_full', "the database's disk is full", options)
  // Classes 22, 23, 42, 54: the fault is in the statement or its values. No state at all: the connection broke.
  if (state !== undefined && /^(?:2[23]|42|54|P0)/.test(state))
    return new CodedError('store_failed', 'the database refused', { ...options })
  return new CodedError('store_unavailable', "the database can't be reached", options)
}

function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}
