import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { findVideoEncoder } from '../../agent/encoder/picture-encoder.ts'
import { messageOf } from '../../common/errors.ts'
import type { broadcastSchema } from '../../common/wire/node-config.ts'
import { streamStateSchema } from '../../common/wire/stream.ts'
import { DEFAULT_ACL } from '../../policy/default-acl.ts'
import { DemoAgent } from './demo-agent.ts'
import { DemoHub } from './demo-hub.ts'
import { SimulatedSender } from './simulated-sender.ts'

/** The two senders of the demo. */
const SENDERS = [
  {
    about: 'one rendition, every packet on both links',
    broadcast: {
      stream_id: 'studio',
      class: 'focus',
      source: { kind: 'test-card' },
      renditions: [{ width: 1280, height: 720 }],
    },
  },
  {
    about: 'two renditions, links share the packets',
    broadcast: {
      stream_id: 'field',
      class: 'director',
      source: { kind: 'test-card' },
      renditions: [
        { width: 640, height: 360 },
        { width: 1280, height: 720 },
      ],
    },
  },
] satisfies { about: string; broadcast: z.input<typeof broadcastSchema> }[]

const STREAMS = SENDERS.map(({ broadcast }) => broadcast.stream_id)

/** The program of the demo: cut between the senders, and watched like any stream. It has the sizes of its first input. */
const PROGRAM = {
  program_id: 'program-main',
  class: 'director' as const,
  inputs: ['field', 'studio'],
}

const HELP = `Usage: npm run demo -- [--bind 127.0.0.1:9415] [--verbose]

Starts the hub and two field senders, agents as a board runs them: test cards with a clock and a tone, encoded live as H.264 and
Opus, pushed over RIST (AES-256, SRP) on two bonded loopback links each, by contracts that they ask the hub for.
A program shows one of the two. The demo's policy lets everybody watch. Ctrl-C ends everything and leaves nothing behind.

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
  const startedAt = performance.now()
  const dataFolder = join(folder, 'state')
  const logLevel = values.verbose ? 'info' : 'error'
  const hub = stack.use(await DemoHub.start({ bind: values.bind, dataFolder, logLevel }))
  await openToEverybody(hub)
  const Sender = hasGstreamer() ? DemoAgent : SimulatedSender
  for (const { broadcast } of SENDERS) {
    const agentFolder = join(folder, broadcast.stream_id)
    stack.use(await Sender.start({ hub, folder: agentFolder, broadcast, tell: print }))
  }
  const deadline = AbortSignal.timeout(20_000)
  await Promise.race([allLive(hub.url, deadline), stopped])
  if (!stopping.signal.aborted) {
    await hub.createProgram(PROGRAM)
    await Promise.race([allLive(hub.url, deadline, [PROGRAM.program_id]), stopped])
    // Whichever sender had media first is on air by now. On a machine that is too slow for both, it may stay.
    await hub.take(PROGRAM.program_id, PROGRAM.inputs[0]!).catch(() => {})
  }
  print(
    `\nLanecast is live after ${((performance.now() - startedAt) / 1000).toFixed(1)} s. Open in a browser:\n`,
  )
  for (const { broadcast, about } of SENDERS)
    print(`  ${hub.url}/watch/${broadcast.stream_id}`.padEnd(48) + about)
  print(`${`  ${hub.url}/watch/${PROGRAM.program_id}`.padEnd(48)}a program of the two, cut as below`)
  print(`${`  ${hub.url}/`.padEnd(48)}all streams`)
  print(`${`  ${hub.url}/docs`.padEnd(48)}the API's reference\n`)
  const header = join(folder, 'authorization')
  // curl reads the header from the file, so that the token is in no command line, where every user could see it.
  await writeFile(header, `Authorization: Bearer ${hub.adminToken}\n`, { mode: 0o600 })
  print(
    `The hub's admin token is in ${join(dataFolder, 'admin-token')}, for you alone to read. Ask the API with it:\n`,
  )
  print(`  curl -H @${header} ${hub.url}/v1/flows\n`)
  print('Cut the program to the other sender, and back:\n')
  for (const input of PROGRAM.inputs.toReversed())
    print(
      `  curl -H @${header} --json '{"input":"${input}"}' ${hub.url}/v1/programs/${PROGRAM.program_id}/take`,
    )
  print('')
  print('Ctrl-C ends the demo.')
  await Promise.race([
    stopped,
    once(hub.process, 'exit').then(() => {
      throw new Error('the hub ended by itself; run with --verbose to see why')
    }),
  ])
  print('\nStopping.')
}

/** Whether an agent can encode here. */
function hasGstreamer(): boolean {
  try {
    findVideoEncoder()
    return true
  } catch (error) {
    print(`Encoding with ffmpeg: ${messageOf(error)}`)
    return false
  }
}

/** The default rules, and a rule that lets people without a token watch the demo's streams. */
async function openToEverybody(hub: DemoHub): Promise<void> {
  await hub.putPolicy({
    acl: [
      ...DEFAULT_ACL,
      {
        name: 'everybody watches the demo',
        effect: 'allow',
        subjects: ['anonymous'],
        actions: ['subscribe', 'stream.read'],
        streams: [...STREAMS, PROGRAM.program_id],
      },
    ],
  })
}

const streamList = z.object({
  streams: z.array(z.object({ stream_id: z.string(), ...streamStateSchema.shape })),
})

/** Waits until every stream has a picture, saying what is missing. */
async function allLive(
  url: string,
  deadline: AbortSignal,
  streamIds: readonly string[] = STREAMS,
): Promise<void> {
  for (let polls = 1; ; polls += 1) {
    const { streams } = streamList.parse(await (await fetch(`${url}/v1/streams`)).json())
    const missing = streamIds.flatMap((streamId) => {
      const stream = streams.find(({ stream_id }) => stream_id === streamId)
      if (stream === undefined) return `${streamId} (its sender asks for a contract)`
      if (stream.state === 'live') return []
      const state = stream.state === 'waiting' ? 'no picture yet' : stream.state
      return `${streamId} (${stream.reason ?? state})`
    })
    if (missing.length === 0) return
    const what = missing.join(', ')
    if (deadline.aborted) throw new Error(`no picture after 20 s: ${what}; run with --verbose to see why`)
    if (polls % 10 === 0) print(`Waiting for ${what}`)
    await delay(100)
  }
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
