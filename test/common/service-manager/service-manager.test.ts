import { readFileSync } from 'node:fs'
import test from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { NotifySocket } from '../../../common/service-manager/notify-socket.ts'
import { openServiceManager } from '../../../common/service-manager/service-manager.ts'
import { startHub } from '../../support/hub.ts'
import { openNotifyReceiver } from '../../support/notify-receiver.ts'
import { until } from '../../support/until.ts'

const logger = createLogger('fatal')

for (const name of [undefined, `lanecast-test-${process.pid}`])
  test(`a service manager hears all, at ${name === undefined ? 'a path' : 'an abstract name'}`, async (t) => {
    using receiver = openNotifyReceiver(name)
    const env = { NOTIFY_SOCKET: receiver.path, WATCHDOG_USEC: '100000', WATCHDOG_PID: String(process.pid) }
    using manager = await openServiceManager(env, logger)
    t.deepEqual(env as object, {}, 'children hear nothing of it')
    t.deepEqual(receiver.take(), [])
    manager.ready('serves at\nhttps://hub')
    const [first, sign] = receiver.take()
    t.is(first, `READY=1\nSTATUS=serves at https://hub\nMAINPID=${process.pid}`)
    t.is(sign, 'WATCHDOG=1')
    const later: string[] = []
    await until(() => later.push(...receiver.take()) >= 3, 'three signs of life')
    t.deepEqual([...new Set(later)], ['WATCHDOG=1'])
    manager.stopping(5500)
    t.is(receiver.take().at(-1), 'STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=5500000')
  })

test('nobody is told where nobody asked, and the watchdog of another process is not ours', async (t) => {
  using nobody = await openServiceManager({}, logger)
  nobody.ready('x')
  using receiver = openNotifyReceiver()
  const env = { NOTIFY_SOCKET: receiver.path, WATCHDOG_USEC: '10000', WATCHDOG_PID: '1' }
  using manager = await openServiceManager(env, logger)
  manager.ready('x')
  t.deepEqual(
    receiver.take().map((text) => text.split('\n')[0]),
    ['READY=1'],
  )
})

test('an address that is none, and a manager that is gone, stop nothing', async (t) => {
  for (const path of ['relative', '/', '@', `/${'x'.repeat(200)}`]) t.throws(() => NotifySocket.open(path))
  using manager = await openServiceManager({ NOTIFY_SOCKET: 'relative' }, logger)
  manager.ready('x')
  using gone = await openServiceManager({ NOTIFY_SOCKET: '/nowhere/at/all' }, logger)
  t.notThrows(() => gone.ready('x'))
})

test('a hub tells systemd that it serves, that it lives, and that it stops; one that stands still gives no sign', async (t) => {
  using receiver = openNotifyReceiver()
  const env = { NOTIFY_SOCKET: receiver.path, WATCHDOG_USEC: '400000' }
  const heard: string[] = []
  const hears = (text: string) =>
    heard.push(...receiver.take()) >= 0 && heard.some((one) => one.includes(text))
  await using hub = await startHub([], { workers: 1, env })
  await until(() => hears('READY=1'), 'READY')
  t.true(
    heard.some((one) => one.includes(`STATUS=serves at ${hub.url}`) && one.includes(`MAINPID=${hub.pid}`)),
  )
  heard.length = 0
  await until(() => hears('WATCHDOG=1'), 'a sign of life')
  // No child speaks for the hub.
  const children = readFileSync(`/proc/${hub.pid}/task/${hub.pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
  t.true(children.length > 0)
  for (const child of children)
    t.false(readFileSync(`/proc/${child}/environ`, 'utf8').includes('NOTIFY_SOCKET'), child)
  process.kill(hub.pid, 'SIGSTOP')
  receiver.take()
  await new Promise((resolve) => setTimeout(resolve, 1000))
  t.deepEqual(receiver.take(), [], 'its loop stands still')
  process.kill(hub.pid, 'SIGCONT')
  heard.length = 0
  await until(() => hears('WATCHDOG=1'), 'a sign of life again')
  await hub.stop()
  t.true(hears('STOPPING=1'))
})
