import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { z } from 'zod'
import { flowSummarySchema } from '../../common/wire/flows-api.ts'
import { descendants } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

const MAIN = join(import.meta.dirname, '../../tools/demo/main.ts')

test('the demo shows two streams to everybody, says how to ask the API, and leaves nothing behind', async (t) => {
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
  for (const streamId of ['studio', 'field']) {
    await using viewer = await WeriftViewer.open(hubUrl, streamId)
    await viewer.track('video')
  }

  const [, header, url] = /curl -H @(\S+) (\S+)/.exec(text)!
  const { stdout } = await promisify(execFile)('curl', ['--silent', '-H', `@${header}`, url!])
  const { flows } = z.object({ flows: z.array(flowSummarySchema) }).parse(JSON.parse(stdout))
  t.deepEqual(flows.map(({ stream_id }) => stream_id).sort(), ['field', 'studio'])
  t.notRegex(text, /lc_|Bearer/)

  const children = descendants(demo.pid!)
  demo.kill('SIGINT')
  const [code] = await gone
  t.is(code, 0)
  t.false(existsSync(dirname(header!)))
  await until(() => !children.some((pid) => existsSync(`/proc/${pid}`)), 'its processes are gone')
})
