import { execFile, fork } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Carrier } from '../../agent/detour/carrier.ts'
import { WssCarrier } from '../../agent/detour/wss-carrier.ts'
import { percentile } from '../support/frame-reader.ts'
import { type Bench, rounded } from './bench.ts'
import { cpuMs } from './cpu-clock.ts'
import { type DoorOrder, doorReportSchema } from './detour-door-protocol.ts'

const run = promisify(execFile)
/** 6 Mb/s as librist sends it: the datagrams of a picture at once, thirty pictures a second. */
const PICTURES_PER_S = 30
const DATAGRAMS = 19
const DATAGRAM_BYTES = 1316
const STEPS = [1, 4, 8]
const SECONDS = 8

/**
 * Senders of 6 Mb/s each over WebSockets with TLS through the door of a process as the hub's: its CPU, how late its event
 * loop is, and how much later datagrams arrive than those that go by UDP in the same run.
 */
export const detour: Bench = {
  about: 'field senders over the WebSocket: CPU of the hub, delay of its event loop, added latency',
  async run({ progress, seconds = SECONDS }) {
    await using stack = new AsyncDisposableStack()
    const sinks = await Promise.all(Array.from({ length: Math.max(...STEPS) }, openSink))
    stack.defer(() => {
      for (const sink of sinks) sink.close()
    })
    const direct = stack.use(await openSender(sinks[0]!.port))
    const ports = Object.fromEntries(sinks.map(({ port }, index) => [ticketOf(index), port]))
    const door = stack.use(await openProcess({ ...(await certificate()), ports }))
    const steps = []
    const idle = await measure(seconds, door, [])
    for (const streams of STEPS) {
      progress.say(`${streams} senders over WebSockets`)
      await using carriers = new AsyncDisposableStack()
      const senders: Sender[] = []
      for (let index = 0; index < streams; index += 1) {
        const carrier = carriers.use(await openCarrier(door.url, ticketOf(index)))
        senders.push({ send: (datagram) => carrier.send(0, datagram), sink: sinks[index]! })
      }
      const detoured = await measure(seconds, door, senders)
      progress.say(`${streams} senders over UDP`)
      const plain = await measure(
        seconds,
        door,
        sinks
          .slice(0, streams)
          .map((sink) => ({ send: (datagram) => direct.send(datagram, sink.port), sink })),
      )
      steps.push({
        senders: streams,
        cpu_percent_of_a_core: rounded((detoured.cores - idle.cores) * 100),
        cpu_percent_per_sender: rounded(((detoured.cores - idle.cores) * 100) / streams, 2),
        latency_p50_ms: rounded(detoured.p50Ms, 2),
        latency_p95_ms: rounded(detoured.p95Ms, 2),
        udp_latency_p95_ms: rounded(plain.p95Ms, 2),
        added_latency_p95_ms: rounded(detoured.p95Ms - plain.p95Ms, 2),
        lost: detoured.lost,
        loop_p99_ms: rounded(detoured.loopP99Ms, 2),
        idle_loop_p99_ms: rounded(idle.loopP99Ms, 2),
      })
    }
    const last = steps.at(-1)!
    return {
      bench: 'detour',
      kbps: Math.round((PICTURES_PER_S * DATAGRAMS * DATAGRAM_BYTES * 8) / 1000),
      cpu_percent_per_sender: last.cpu_percent_per_sender,
      added_latency_p95_ms: last.added_latency_p95_ms,
      loop_p99_ms: last.loop_p99_ms,
      steps,
    }
  },
}

const ticketOf = (index: number) => `the ticket of sender ${index}`

/** Where the stream's RIST port would be; notes how long each datagram took. */
async function openSink() {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const took: number[] = []
  socket.on('message', (datagram) => took.push(performance.now() - datagram.readDoubleLE(0)))
  return { port: socket.address().port, took, close: () => socket.close() }
}
type Sink = Awaited<ReturnType<typeof openSink>>

interface Sender {
  send(datagram: Buffer): void
  readonly sink: Sink
}

async function openSender(_first: number) {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    send: (datagram: Buffer, port: number) => socket.send(datagram, port, '127.0.0.1'),
    [Symbol.dispose]: () => void socket.close(),
  }
}

function openCarrier(url: string, ticket: string): Promise<Carrier> {
  return WssCarrier.open(new URL(url), undefined, {
    ticket,
    queueMs: 1000,
    signal: AbortSignal.timeout(600_000),
    listener: { heard: () => {}, lost: (why) => process.stderr.write(`${why}\n`) },
  })
}

interface Door {
  readonly pid: number
  report(): Promise<{ loop_p99_ms: number }>
}

async function measure(seconds: number, door: Door, senders: readonly Sender[]) {
  for (const { sink } of senders) sink.took.length = 0
  await door.report()
  const [cpuBefore, from] = [cpuMs(door.pid), performance.now()]
  let sent = 0
  for (let picture = 0; picture < seconds * PICTURES_PER_S; picture += 1) {
    const early = from + (picture * 1000) / PICTURES_PER_S - performance.now()
    if (early > 0) await delay(early)
    // Cameras are not in step.
    for (const { send } of senders) {
      for (let count = 0; count < DATAGRAMS; count += 1) {
        const datagram = Buffer.alloc(DATAGRAM_BYTES)
        datagram.writeDoubleLE(performance.now())
        send(datagram)
        sent += 1
      }
      await delay(1)
    }
  }
  const tookMs = performance.now() - from
  const cores = (cpuMs(door.pid) - cpuBefore) / tookMs
  const { loop_p99_ms } = await door.report()
  await delay(200)
  const took = senders.flatMap(({ sink }) => sink.took)
  return {
    cores,
    loopP99Ms: loop_p99_ms,
    p50Ms: took.length > 0 ? percentile(took, 0.5) : 0,
    p95Ms: took.length > 0 ? percentile(took, 0.95) : 0,
    lost: sent - took.length,
  }
}

async function openProcess(order: DoorOrder) {
  const child = fork(new URL('detour-door-main.ts', import.meta.url), [], {
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const next = async () => doorReportSchema.parse((await once(child, 'message'))[0])
  child.send(order)
  const { port } = await next()
  return {
    pid: child.pid!,
    url: `wss://127.0.0.1:${port}/detour`,
    report: () => {
      const answer = next()
      child.send('report')
      return answer
    },
    [Symbol.asyncDispose]: async () => {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

async function certificate(): Promise<Pick<DoorOrder, 'key' | 'certificate'>> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-detour-'))
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    const names = ['-subj', '/CN=detour', '-addext', 'subjectAltName=IP:127.0.0.1']
    await run('openssl', ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', cert])
    // Nobody else's hub is asked in this process.
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    return { key: await readFile(key, 'utf8'), certificate: await readFile(cert, 'utf8') }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
