import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'
import { LOG_LEVELS, type LogLevel } from './wire/log-level.ts'

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
  'credential',
  'ticket',
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
  const logger = pino(options, destination ?? pino.destination({ fd: 2, sync: true }))
  const children = new Set<WeakRef<Logger>>()
  const gone = new FinalizationRegistry((child: WeakRef<Logger>) => children.delete(child))
  logger.onChild = (child) => {
    const kept = new WeakRef<Logger>(child)
    children.add(kept)
    gone.register(child, kept)
  }
  CHILDREN.set(logger, children)
  return logger
}

/** A child has a level of its own: those of each logger that was created here, and of their children. */
const CHILDREN = new WeakMap<Logger, ReadonlySet<WeakRef<Logger>>>()

/** Changes the level of a logger of `createLogger`, and of all its children. */
export function setLogLevel(logger: Logger, level: LogLevel): void {
  logger.level = level
  for (const child of CHILDREN.get(logger) ?? []) {
    const alive = child.deref()
    if (alive) alive.level = level
  }
}

/** The level that a logger has now. */
export function levelOf(logger: Logger): LogLevel {
  return LOG_LEVELS.find((level) => level === logger.level) ?? 'info'
}
