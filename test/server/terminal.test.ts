import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import test from 'ava'
import { until } from '../support/until.ts'

const MAIN = resolve(import.meta.dirname, '../../server/main.ts')

test('SIGHUP in a terminal reads the configuration again, and ends the hub once the terminal is gone', async (t) => {
  const hub = `exec ${process.execPath} ${MAIN} --bind 127.0.0.1:0 --rtc-port 0 --workers 1`
  const terminal = spawn('script', ['-qfc', hub, '/dev/null'], { env: { ...process.env, AMNESIA: 'true' } })
  let text = ''
  terminal.stdout.setEncoding('utf8').on('data', (more) => {
    text += more
  })
  try {
    await until(() => text.includes('hub is ready'), 'the hub is ready')
    const pid = Number(/"pid":(\d+)/.exec(text)?.[1])
    process.kill(pid, 'SIGHUP')
    await until(() => text.includes('nothing has changed'), 'the configuration is read again')
    // The window is closed: the system tells whoever ran in it.
    terminal.kill('SIGKILL')
    await until(() => !isAlive(pid), 'the hub has ended')
    t.pass()
  } finally {
    terminal.kill('SIGKILL')
  }
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
