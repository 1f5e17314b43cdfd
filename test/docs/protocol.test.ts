import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import {
  hubToPublisher,
  publisherNotifications,
  publisherRequests,
} from '../../common/wire/publisher-protocol.ts'
import {
  hubNotifications,
  hubRequests,
  viewerNotifications,
  viewerRequests,
} from '../../common/wire/viewer-protocol.ts'
import { DEFAULT_ACL } from '../../policy/default-acl.ts'
import { DemoHub } from '../../tools/demo/demo-hub.ts'
import { freeUdpPorts } from '../support/hub.ts'

/** docs/protocol.md does what it says: its lines are run as they stand, against a hub as the demo has it. */

const DOCUMENT = resolve(import.meta.dirname, '../../docs/protocol.md')
/** The demo's streams; here nobody sends them. */
const STREAMS = ['studio', 'field']
/** Calls whose answer is no 200, 201, 202 or 204 are in blocks that begin with their status: ```sh 403 */
const BLOCK = /^```sh ?(\d*)\n([\s\S]*?)^```$/gm

/** Stands in curl's place: keeps each call and its answer, and hands the answer on. */
const WRAPPER = `#!/bin/bash
set -o pipefail
call=$(printf '%s/%03d' "$CALLS" "$(ls "$CALLS" | wc -l)")
mkdir "$call"
printf '%s\\0' "$@" > "$call/args"
echo "$BLOCK" > "$call/block"
"$CURL" --silent --show-error --max-time 20 --dump-header "$call/headers" "$@" | tee "$call/body"
`

interface Call {
  readonly block: number
  readonly method: string
  readonly path: string
  readonly status: number
  readonly type: string
  readonly body: string
}

const openApi = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        responses: z.record(
          z.string(),
          z.object({
            content: z.record(z.string(), z.object({ schema: z.record(z.string(), z.unknown()) })).optional(),
          }),
        ),
      }),
    ),
  ),
})

/** A hub as the demo starts it: default tenant, one policy, two streams that somebody publishes. */
async function demoHub(folder: string): Promise<DemoHub> {
  const [rist = 0] = await freeUdpPorts(1)
  const [rtp = 0] = await freeUdpPorts(1)
  Object.assign(process.env, {
    ...{ RTC_PORT: '0', MEDIA_WORKERS: '1', RIST_PORTS: `${rist}-${rist + 39}` },
    ...{ RTP_PORTS: `${rtp}-${rtp + 19}`, METRICS_ADDR: '127.0.0.1:0' },
  })
  const hub = await DemoHub.start({
    ...{ bind: '127.0.0.1:0', dataFolder: join(folder, 'state'), logLevel: 'error' },
  })
  const open = { effect: 'allow', subjects: ['anonymous'], actions: ['subscribe', 'stream.read'] } as const
  await hub.putPolicy({
    acl: [...DEFAULT_ACL, { ...open, actions: [...open.actions], subjects: ['anonymous'] }],
  })
  for (const stream_id of STREAMS) {
    const answer = await fetch(`${hub.url}/v1/publish`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await hub.issuePublisherKey(stream_id)}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ stream_id }),
    })
    if (!answer.ok) throw new Error(`${stream_id} was not granted: ${await answer.text()}`)
  }
  return hub
}

/** Runs every block in one shell, as a reader would, with the demo's address and token. */
async function runBlocks(blocks: readonly string[], hub: DemoHub, folder: string): Promise<Call[]> {
  const [bin, calls] = [join(folder, 'bin'), join(folder, 'calls')]
  await Promise.all([mkdir(bin), mkdir(calls)])
  await writeFile(join(bin, 'curl'), WRAPPER)
  await chmod(join(bin, 'curl'), 0o700)
  const script = blocks
    .map((block, index) => `export BLOCK=${index}\n${block}`)
    .join('\n')
    .replace(/^HUB=.*$/m, `HUB=${hub.url}`)
    .replace(/^TOKEN=.*$/m, `TOKEN=$(cat ${join(folder, 'state/admin-token')})`)
  const CURL = execFileSync('sh', ['-c', 'command -v curl'], { encoding: 'utf8' }).trim()
  const shell = execFile('bash', ['-eu', '-o', 'pipefail', '-c', script], {
    cwd: folder,
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}`, CALLS: calls, CURL },
  })
  let errors = ''
  shell.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const [code] = await once(shell, 'close')
  if (code !== 0) throw new Error(`the lines ended with ${code}: ${errors}`)
  const names = (await readdir(calls)).sort()
  return Promise.all(names.map((name) => readCall(join(calls, name), hub.url)))
}

async function readCall(folder: string, hubUrl: string): Promise<Call> {
  const [args, headers, body, block] = await Promise.all(
    ['args', 'headers', 'body', 'block'].map((name) => readFile(join(folder, name), 'utf8')),
  )
  const words = args!.split('\0')
  const named = words.indexOf('-X')
  const sends = words.some((word) => word === '-d' || word === '--data-binary')
  const output = words.indexOf('--output')
  return {
    block: Number(block),
    method: named < 0 ? (sends ? 'post' : 'get') : words[named + 1]!.toLowerCase(),
    path: new URL(words.find((word) => word.startsWith(hubUrl))!).pathname,
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(headers!)?.[1]),
    type: /^content-type: ([^;\r\n]*)/im.exec(headers!)?.[1] ?? '',
    body: output < 0 ? body! : '',
  }
}

test('every line of the protocol works as printed, and every call has one', async (t) => {
  t.timeout(60_000)
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-protocol-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const text = await readFile(DOCUMENT, 'utf8')
  const blocks = Array.from(text.matchAll(BLOCK), ([, status, lines = '']) => ({ status, lines }))
  t.true(blocks.length > 20)
  await using hub = await demoHub(folder)
  const calls = await runBlocks(
    blocks.map(({ lines }) => lines),
    hub,
    folder,
  )

  const { paths } = openApi.parse(await (await fetch(`${hub.url}/openapi.json`)).json())
  const templates = Object.keys(paths).map((path) => ({
    path,
    fits: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }))
  const shown = new Set<string>()
  for (const { block, method, path, status, type, body } of calls) {
    const what = `${method.toUpperCase()} ${path}`
    const expected = blocks[block]!.status
    if (expected) t.is(status, Number(expected), `${what}: ${body}`)
    else t.true(status >= 200 && status < 300, `${what} answered ${status}: ${body}`)
    // The most literal one: /v1/tokens/{token_id} fits less than /v1/tokens/x.
    const template = templates.find(({ fits }) => fits.test(path))
    if (!template) {
      t.true(['/healthz', '/readyz', '/openapi.json', '/docs'].includes(path), `${what} is in the reference`)
      continue
    }
    const operation = paths[template.path]?.[method]
    const response = operation?.responses[status]
    if (!response) {
      t.fail(`${what} answers ${status}, which the reference does not know`)
      continue
    }
    if (!expected) shown.add(`${method} ${template.path}`)
    const schema = response.content?.['application/json']?.schema
    if (type !== 'application/json' || !schema || '$ref' in schema) continue
    const parsed = z
      .fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0])
      .safeParse(JSON.parse(body))
    t.true(parsed.success, `${what}: ${parsed.error && z.prettifyError(parsed.error)}`)
  }
  const missing = Object.entries(paths)
    .flatMap(([path, operations]) => Object.keys(operations).map((method) => `${method} ${path}`))
    .filter((operation) => !shown.has(operation))
  // A node proves itself by TLS, which the demo has not.
  t.deepEqual(missing, ['post /v1/node/renew'])
})

test('the table of the WebSocket names what there is', async (t) => {
  const text = await readFile(DOCUMENT, 'utf8')
  const rows = Array.from(
    text.matchAll(/^\| (hub|viewer) \| (request|notification) \| `([\w-]+)` \|/gm),
    ([, from, kind, method]) => `${from} ${kind} ${method}`,
  )
  const there = [
    ...Object.keys(viewerRequests).map((method) => `viewer request ${method}`),
    ...Object.keys(viewerNotifications).map((method) => `viewer notification ${method}`),
    ...Object.keys(hubRequests).map((method) => `hub request ${method}`),
    ...Object.keys(hubNotifications).map((method) => `hub notification ${method}`),
  ]
  t.deepEqual(rows.sort(), there.sort())
  const publishers = Array.from(
    text.matchAll(/^\| (publisher|hub, to it) \| (request|notification) \| `([\w-]+)` \|/gm),
    ([, from, kind, method]) => `${from} ${kind} ${method}`,
  )
  const saidThere = [
    ...Object.keys(publisherRequests).map((method) => `publisher request ${method}`),
    ...Object.keys(publisherNotifications).map((method) => `publisher notification ${method}`),
    ...Object.keys(hubToPublisher).map((method) => `hub, to it notification ${method}`),
  ]
  t.deepEqual(publishers.sort(), saidThere.sort())
})
