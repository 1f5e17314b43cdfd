import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { messageOf } from '../../common/errors.ts'
import { streamStateSchema } from '../../common/wire/stream.ts'
import { type FieldSenderConfig, fieldSenderReport } from './field-sender-config.ts'

const HERE = import.meta.dirname
const HUB = resolve(HERE, '../../server/main.ts')
const SENDER = resolve(HERE, 'field-sender.ts')

/** The two senders of the demo, as the hub is told and as the senders are. */
const SENDERS = [
  {
    streamId: 'studio',
    streamClass: 'focus',
    mode: 'duplicate',
    card: { name: 'studio' },
    about: 'one rendition, every packet on both links',
  },
  {
    streamId: 'field',
    streamClass: 'director',
    mode: 'share',
    card: { name: 'field', renditions: 2, videoKbps: 2500 },
    about: 'two renditions, links share the packets',
  },
] as const

const HELP = `Usage: npm run demo -- [--bind 127.0.0.1:9415] [--verbose]

Starts the hub and two simulated field senders: test cards with a clock and a tone, encoded live as H.264 and
Opus, pushed over RIST (AES-256, SRP) on two bonded loopback links each. Ctrl-C ends everything.

  --bind HOST:PORT   where the pages are served
  --verbose          show the hub's log
  -h, --help         this text
`

const { values } = parseArgs({
  options: {
    bind: { type: 'string', default: '127.0.0.1:9415' },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
async function demo(): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort())
  const stopped = once(stopping.signal, 'abort')
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-demo-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const streams = SENDERS.map((sender, index) => ({
    ...sender,
    ports: [9500 + 4 * index, 9502 + 4 * index],
    passphrase: randomBytes(24).toString('base64url'),
    username: `${sender.streamId}-sender`,
    password: randomBytes(24).toString('base64url'),
  }))
  const config = join(folder, 'hub.toml')
  await writeFile(config, streams.map(streamTable).join('\n'), { mode: 0o600 })

  const startedAt = performance.now()
  const hub = await startHub(config, stack)
  for (const stream of streams) startSender(stream, stopping.signal, stack)
  const deadline = AbortSignal.timeout(20_000)
  await Promise.race([allLive(hub.url, deadline), stopped])
  print(
    `\nLanecast is live after ${((performance.now() - startedAt) / 1000).toFixed(1)} s. Open in a browser:\n`,
  )
  for (const { streamId, about } of streams) print(`  ${hub.url}/watch/${streamId}`.padEnd(48) + about)
  print(`${`  ${hub.url}/`.padEnd(48)}all streams`)
  print(`${`  ${hub.url}/metrics`.padEnd(48)}Prometheus metrics\n`)
  print('Ctrl-C ends the demo.')
  await Promise.race([
    stopped,
    once(hub.process, 'exit').then(() => {
      throw new Error('the hub ended by itself; run with --verbose to see why')
    }),
  ])
  print('\nStopping.')
}

function streamTable(stream: { streamId: string; streamClass: string; ports: number[] } & Secrets): string {
  return [
    '[[streams]]',
    `stream_id = "${stream.streamId}"`,
    `class = "${stream.streamClass}"`,
    `ports = [${stream.ports.join(', ')}]`,
    `passphrase = "${stream.passphrase}"`,
    `username = "${stream.username}"`,
    `password = "${stream.password}"`,
    '',
  ].join('\n')
}

interface Secrets {
  passphrase: string
  username: string
  password: string
}

const hubReady = z.object({ type: z.literal('ready'), url: z.string() })

async function startHub(
  config: string,
  stack: AsyncDisposableStack,
): Promise<{ url: string; process: ChildProcess }> {
  const args = ['--config', config, '--bind', values.bind, '--log-level', values.verbose ? 'info' : 'error']
  const child = fork(HUB, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  stack.defer(() => end(child))
  const [message] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error('the hub did not start: the lines above say why')
    }),
  ])
  return { url: hubReady.parse(message).url, process: child }
}

/** One simulated field sender, restarted when it ends; its secrets go over the message channel only. */
function startSender(
  stream: (typeof SENDERS)[number] & Secrets & { ports: number[] },
  stopping: AbortSignal,
  stack: AsyncDisposableStack,
): void {
  let ended = false
  let child: ChildProcess
  const run = async () => {
    while (!ended && !stopping.aborted) {
      child = fork(SENDER, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
      child.send({
        links: stream.ports.map((port, link) => ({ host: '127.0.0.1', port, cname: `link-${link + 1}` })),
        mode: stream.mode,
        passphrase: stream.passphrase,
        username: stream.username,
        password: stream.password,
        card: { ...stream.card },
        logLevel: 'error',
      } satisfies FieldSenderConfig)
      child.on('message', (raw) => {
        const report = fieldSenderReport.safeParse(raw)
        if (report.data?.type === 'sending') print(`Sender ${stream.streamId}: sending`)
      })
      await once(child, 'exit')
      if (!ended && !stopping.aborted) {
        print(`Sender ${stream.streamId} ended; starting it again`)
        await delay(500)
      }
    }
  }
  const running = run()
  stack.defer(async () => {
    ended = true
    await end(child)
    await running
  })
}

const streamList = z.object({
  streams: z.array(z.object({ stream_id: z.string(), ...streamStateSchema.shape })),
})

/** Waits until every stream has a picture, saying what is missing. */
async function allLive(url: string, deadline: AbortSignal): Promise<void> {
  for (let polls = 1; ; polls += 1) {
    const { streams } = streamList.parse(await (await fetch(`${url}/v1/streams`)).json())
    const missing = streams.filter(({ state }) => state !== 'live')
    if (missing.length === 0) return
    const what = missing.map(({ stream_id, state, reason }) => `${stream_id} ${reason ?? state}`).join(', ')
    if (deadline.aborted) throw new Error(`no picture after 20 s: ${what}; run with --verbose to see why`)
    if (polls % 10 === 0) print(`Waiting for ${what}`)
    await delay(100)
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), 5000)
  await gone
  clearTimeout(killer)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

try {
  await demo()
} catch (error) {
  process.stderr.write(`\n${messageOf(error)}\n`)
  process.exitCode = 1
}
