import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import test from 'ava'
import { askLocalAgent } from '../../../agent/cli/local-agent.ts'
import { callAgent } from '../../support/field-agent.ts'
import { until } from '../../support/until.ts'

/** `lanecast-agent config` on a device whose hub is away. */

const PROGRAM = resolve(import.meta.dirname, '../../../agent/main.ts')
/** Nobody listens there. */
const IDENTITY = {
  hub_url: 'https://127.0.0.1:9',
  node_id: 'van-1',
  key: '',
  certificate: '',
  authorities: [],
  issued_at: Date.now(),
  not_after: Date.now() + 365 * 86_400_000,
}
const OFF = `
  backlog_mb = 10
  [[broadcasts]]
  stream_id = "stage"
  on = false
  source = { kind = "rtsp", url = "rtsp://10.0.0.7/live", username = "root", password = "open sesame" }
  sound = false
`

let folder: string
let agent: ChildProcess | null = null

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lanecast-cli-'))
  await writeFile(join(folder, 'identity.json'), JSON.stringify(IDENTITY))
})
test.after.always(async () => {
  await stop('SIGTERM')
  await rm(folder, { recursive: true, force: true })
})

const file = async (name: string, text: string): Promise<string> => {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}
const config = (...args: readonly string[]) => callAgent(['config', ...args, '--state-dir', folder])

async function start(configFile?: string): Promise<void> {
  const args = [PROGRAM, 'run', '--state-dir', folder, '--log-level', 'fatal']
  agent = spawn(process.execPath, configFile === undefined ? args : [...args, '--config', configFile], {
    stdio: 'inherit',
  })
  await until(
    () => askLocalAgent(join(folder, 'agent.sock'), 'GET', '/status').catch(() => null),
    'the agent runs',
  )
}

async function stop(signal: NodeJS.Signals): Promise<void> {
  if (!agent) return
  const ended = once(agent, 'exit')
  agent.kill(signal)
  await ended
  agent = null
}

test.serial('without an agent a document is checked by its form, and nothing is applied', async (t) => {
  const good = await file('good.toml', OFF)
  const checked = await config('check', good)
  t.is(checked.code, 0)
  t.regex(checked.out, /only a running agent knows/)
  const bad = await config('check', await file('bad.json', '{"broadcasts":[{"fps":0}],"stage":1}'))
  t.is(bad.code, 1)
  t.regex(bad.err, /not valid\n(.*\n)*.*broadcasts\.0\.fps.*\n(.*\n)*.*unknown: stage/)
  t.regex((await config('apply', good)).err, /no agent answers/)
  t.regex((await config('check', join(folder, 'none.toml'))).err, /can not be read/)
  const shown = await config('show')
  t.is(shown.code, 0)
  t.regex(shown.out, /^# nobody has configured this device[\s\S]*backlog_mb = 2000/)
  t.is((await config('apply')).code, 2)
})

test.serial('an agent checks and applies documents, and shows no password', async (t) => {
  await start()
  const missing = await file(
    'file.json',
    JSON.stringify({
      broadcasts: [{ stream_id: 'clip', source: { kind: 'file', path: '/nowhere/clip.ts' } }],
    }),
  )
  for (const way of ['check', 'apply']) {
    const refused = await config(way, missing)
    t.is(refused.code, 1, way)
    t.regex(refused.err, /Refused: .*config_beyond_device[\s\S]*there is no file \/nowhere\/clip\.ts/)
  }
  const good = await file('good.toml', OFF)
  t.regex((await config('check', good)).out, /can do that/)
  t.regex((await config('apply', good)).out, /Applied/)
  const shown = await config('show')
  t.regex(shown.out, /^# version local, applied 20[\s\S]*sound = false[\s\S]*password = "\*{8}"/)
  t.regex(
    (await config('apply', await file('shown.toml', shown.out))).out,
    /Applied/,
    'what is shown can be applied',
  )

  await stop('SIGKILL')
  t.regex((await config('show', '--json')).out, /"stream_id": "stage"/)
})

test.serial('a file at the start is for a device that nobody has configured since', async (t) => {
  const given = await file('given.toml', 'backlog_mb = 77')
  const shown = async () => /"backlog_mb": (\d+)/.exec((await config('show', '--json')).out)?.[1]
  await start(given)
  await until(async () => (await shown()) === '77', 'the file is applied')
  await config('apply', await file('good.toml', OFF))
  await stop('SIGTERM')
  await start(given)
  await config('check', given)
  t.is(await shown(), '10', 'the file before is not news')
  await stop('SIGTERM')
  await start(await file('given.toml', 'backlog_mb = '))
  t.is(await shown(), '10', 'nor is a broken one')
  await stop('SIGTERM')
  await start(await file('given.toml', 'backlog_mb = 78'))
  await until(async () => (await shown()) === '78', 'the file is applied')
})
