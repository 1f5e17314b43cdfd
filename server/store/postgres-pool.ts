import pg from 'pg'
import { CodedError, messageOf } from '../../common/errors.ts'
import { databaseDamaged } from './store-errors.ts'

/** Longest wait for a connection, and longest that a statement may take, in ms. */
const CONNECT_TIMEOUT_MS = 5000
const STATEMENT_TIMEOUT_MS = 15_000
/** A hub that was stopped in the middle of a transaction must not hold up the others for longer, in ms. */
const IDLE_IN_TRANSACTION_MS = 10_000

/** PostgreSQL's int8: a sequence number or a time, far below 2^53. */
const INT8_OID = 20

/**
 * At most `max` connections, made when they are needed. `onIdleError` hears of those that broke while nobody used them;
 * the pool has let go of them already.
 */
export function openPool(url: string, max: number, onIdleError: (error: Error) => void): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'lanecast',
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    // The answer may be lost with the connection: give up a little after the server would have.
    query_timeout: STATEMENT_TIMEOUT_MS + 5000,
    keepAlive: true,
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === INT8_OID ? Number : pg.types.getTypeParser(oid, format as 'text'),
    },
  })
  pool.on('error', onIdleError)
  // One in use tells its query as well as this event, which nobody else listens to and which would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

/** What went wrong when the hub could not even start with the database: for whoever starts it. */
export function postgresUnusable(error: unknown): CodedError {
  if (error instanceof CodedError) return error
  const state = sqlState(error)
  if (state === 'XX001' || state === 'XX002')
    return databaseDamaged(
      `the PostgreSQL of DATABASE_URL is damaged: ${messageOf(error)}`,
      error,
      'postgres',
    )
  // Neither the message nor the cause: they may hold the URL, and with it the password.
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

/** What a failed query or commit means to whoever asked. What the database said is in `cause`, for the log alone. */
export function postgresFailure(error: unknown): CodedError {
  if (error instanceof CodedError) return error
  const state = sqlState(error)
  const options = { status: 503, cause: error }
  // Class XX: data_corrupted, index_corrupted.
  if (state === 'XX001' || state === 'XX002')
    return databaseDamaged('the database is damaged', error, 'postgres')
  if (state === '53100') return new CodedError('store_full', "the database's disk is full", options)
  // Class 22 to 23, 42, 54: it is the statement or what it holds. No state at all: the connection broke.
  if (state !== undefined && /^(?:2[23]|42|54|P0)/.test(state))
    return new CodedError('store_failed', 'the database refused', { ...options, status: 500 })
  return new CodedError('store_unavailable', "the database can't be reached", options)
}

function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}
