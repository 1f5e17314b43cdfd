import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { z } from 'zod'
import { flowSummarySchema } from '../../common/wire/flows-api.ts'
import { streamStateSchema } from '../../common/wire/stream.ts'
import { descendants, programOf } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

const streamList = z.object({
  streams: z.array(z.object({ stream_id: z.string(), ...streamStateSchema.shape })),
})
const MAIN = join(import.meta.dirname, '../../tools/demo/main.ts')

test('the demo shows two streams and a program of them to everybody, says how to ask the API, and leaves nothing behind', async (t) => {
  t.timeout(60_000)
  const demo = spawn(process.execPath, [MAIN, '--bind', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => demo.kill('SIGKILL'))
  const gone = once(demo, 'exit')
  let text = ''
  demo.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  await until(() => text.includes('Ctrl-C ends the demo.'), 'the demo is live', 30_000)
  const hubUrl = /(http:\/\/[\d.:]+)\/watch\/studio/.exec(text)![1]!
  t.is((await fetch(`${hubUrl}/watch/studio`)).status, 200)
  for (const streamId of ['studio', 'field', 'program-main']) {
    await using viewer = await WeriftViewer.open(hubUrl, streamId)
    await viewer.track('video')
  }

  const [, header, url] = /curl -H @(\S+) (\S+)/.exec(text)!
  const { stdout } = await promisify(execFile)('curl', ['--silent', '-H', `@${header}`, url!])
  const { flows } = z.object({ flows: z.array(flowSummarySchema) }).parse(JSON.parse(stdout))
  t.deepEqual(flows.map(({ stream_id }) => stream_id).sort(), ['field', 'studio'])
  t.notRegex(text, /lc_|Bearer/)

  const [, cut] = /^ {2}(curl .*"studio".*take)$/m.exec(text)!
  const taken = await promisify(execFile)('sh', ['-c', `${cut} --silent`])
  t.like(JSON.parse(taken.stdout), { program_id: 'program-main', input: 'studio' })
  const senders = descendants(demo.pid!).filter((pid) => programOf(pid).includes('agent/main.ts'))
  t.is(senders.length, 2)
  const stateOf = async () => {
    const { streams } = streamList.parse(await (await fetch(`${hubUrl}/v1/streams`)).json())
    const { state, slate } = streams.find(({ stream_id }) => stream_id === 'program-main')!
    return { state, slate }
  }
  for (const pid of senders) process.kill(pid, 'SIGSTOP')
  await until(async () => (await stateOf()).slate === true, 'without its senders the program shows a slate')
  t.like(await stateOf(), { state: 'input_lost' })
  for (const pid of senders) process.kill(pid, 'SIGCONT')
  await until(async () => (await stateOf()).state === 'live', 'the program is back')

  const children = descendants(demo.pid!)
  demo.kill('SIGINT')
  const [code] = await gone
  t.is(code, 0)
  t.false(existsSync(dirname(header!)))
  await until(() => !children.some((pid) => existsSync(`/proc/${pid}`)), 'its processes are gone')
})
