import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'
import type { LogLevel } from './wire/log-level.ts'

export type Logger = PinoLogger

/** Field names that hold secrets anywhere in the product; pino replaces their values before a line is written. */
const SECRET_FIELDS = [
  'passphrase',
  'password',
  'secret',
  'token',
  'authorization',
  'keys',
  'private_key',
] as const

/**
 * The structured logger of one process: one JSON line each, on standard error, so that standard output stays free for
 * what a program prints for its user. Each room takes a `child({ room: '…' })` of this logger.
 */
export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]), censor: '***' },
  }
  return pino(options, destination ?? pino.destination({ fd: 2, sync: true }))
}
