import test from 'ava'
import { createLogger, levelOf, setLogLevel } from '../../common/logger.ts'

test('a changed level reaches children and their children, also those that come later', (t) => {
  const lines: string[] = []
  const logger = createLogger('warn', { write: (line) => lines.push(JSON.parse(line).msg) })
  const child = logger.child({ room: 'one' })
  const grandchild = child.child({ stream_id: 'cam-1' })
  child.info('too early')
  setLogLevel(logger, 'debug')
  for (const each of [logger, child, grandchild, logger.child({ room: 'late' })]) {
    t.is(levelOf(each), 'debug')
    each.debug('heard')
  }
  setLogLevel(logger, 'silent')
  for (const each of [logger, child, grandchild]) each.fatal('never')
  t.deepEqual(lines, ['heard', 'heard', 'heard', 'heard'])
})

test('secrets of contracts are in no line', (t) => {
  const lines: string[] = []
  const logger = createLogger('info', { write: (line) => lines.push(line) })
  const secrets = { password: 'S3', credential: 'S3', ticket: 'S3', token: 'S3', passphrase: 'S3' }
  logger.info({ ...secrets, join: secrets, contract: { join: secrets } }, 'granted')
  t.is(lines.length, 1)
  t.false(lines[0]!.includes('S3'))
})
