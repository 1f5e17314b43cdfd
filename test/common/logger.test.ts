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
