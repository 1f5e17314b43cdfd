import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { BatchingWorker } from '../support/batching-worker.ts'
import { DtlsClients } from '../support/dtls-client.ts'
import { NUMBERED_CODECS, NumberedPackets, numberOf, payloadOf } from '../support/numbered-packets.ts'
import { RecordingViewer } from '../support/recording-viewer.ts'
import { until } from '../support/until.ts'

/** A worker that sends many packets at a time on a slow link, and to addresses that are gone. test/sfu/batched-sends.test.ts runs this. */

const SERVER = '10.66.0.1'
const VIEWERS = ['10.66.0.2', '10.66.0.3', '10.66.0.4']
const PACKETS = 1500
/** The kernel doubles it. */
const SEND_BUFFER_BYTES = 4096

const ip = (...args: string[]) => execFileSync('ip', args)
const dtls = await DtlsClients.make()

test.before(() => {
  // Packets that a slow loopback hands over on two CPUs overtake each other in the kernel. What starts from here on, and
  // this process, has one CPU.
  const [cpu] = /(?<=^Cpus_allowed_list:\s*)\d+/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? ['0']
  execFileSync('taskset', ['-pc', cpu, String(process.pid)])
  ip('link', 'set', 'lo', 'up')
  for (const address of [SERVER, ...VIEWERS]) ip('address', 'add', `${address}/32`, 'dev', 'lo')
})

async function openRoom(batched: boolean) {
  const worker = await BatchingWorker.start(batched)
  const listenInfos = [{ protocol: 'udp', ip: SERVER, sendBufferSize: SEND_BUFFER_BYTES } as const]
  const webRtcServer = await worker.worker.createWebRtcServer({ listenInfos })
  const router = await worker.worker.createRouter({ mediaCodecs: NUMBERED_CODECS })
  const packets = await NumberedPackets.open(router)
  const viewers: RecordingViewer[] = []
  for (const address of VIEWERS) {
    const transport = await router.createWebRtcTransport({ webRtcServer })
    viewers.push(await RecordingViewer.connect(transport, dtls, address))
    await transport.consume({ producerId: packets.producer.id, rtpCapabilities: router.rtpCapabilities })
  }
  return {
    worker,
    packets,
    viewers,
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]()
      for (const viewer of viewers) await viewer[Symbol.asyncDispose]()
    },
  }
}

const numbersOf = (viewer: RecordingViewer): number[] =>
  viewer.packets.map(({ payload }) => {
    const number = numberOf(payload)
    if (!payload.equals(payloadOf(number))) throw new Error(`packet ${number} came changed`)
    return number
  })

/** All packets, each once and in order; else the first that is not, and what came about there. */
function hasAll(t: ExecutionContext, viewer: RecordingViewer): void {
  const numbers = numbersOf(viewer)
  const odd = numbers.findIndex((number, index) => number !== index)
  t.is(odd, -1, `${numbers.length} packets; from ${odd} on: ${numbers.slice(Math.max(0, odd - 3), odd + 20)}`)
  t.is(numbers.length, PACKETS)
}

/** Makes loopback slower than the packets come, so that they wait in the socket's buffer. */
function slowLink(): Disposable {
  const tbf = ['tbf', 'rate', '30mbit', 'burst', '4k', 'limit', '100m']
  execFileSync('tc', ['qdisc', 'add', 'dev', 'lo', 'root', ...tbf])
  return { [Symbol.dispose]: () => void execFileSync('tc', ['qdisc', 'del', 'dev', 'lo', 'root']) }
}

/** Makes the kernel refuse what is sent to the first viewer. */
function refusedViewer(): Disposable {
  const [address] = VIEWERS as [string]
  ip('address', 'del', `${address}/32`, 'dev', 'lo')
  ip('route', 'add', 'prohibit', address)
  return {
    [Symbol.dispose]() {
      ip('route', 'del', 'prohibit', address)
      ip('address', 'add', `${address}/32`, 'dev', 'lo')
    },
  }
}

for (const batched of [true, false])
  test.serial(`a full buffer is waited for, ${batched ? 'many at a time' : 'one by one'}`, async (t) => {
    await using room = await openRoom(batched)
    {
      using _slow = slowLink()
      for (let index = 0; index < PACKETS; index++) room.packets.send()
      await until(() => room.viewers.every(({ packets }) => packets.length === PACKETS), 'all packets come')
    }
    for (const viewer of room.viewers) hasAll(t, viewer)
    const { full, refused } = await room.worker.counters()
    t.is(full > 0, batched)
    t.is(refused, 0)
  })

// One by one, this costs the others packets: libuv drops what it queued for them with what was refused.
for (const slow of [false, true])
  test.serial(
    `a refused destination costs the others nothing${slow ? ', on a slow link' : ''}`,
    async (t) => {
      await using room = await openRoom(true)
      const [gone, ...others] = room.viewers as [RecordingViewer, ...RecordingViewer[]]
      for (let index = 0; index < 100; index++) room.packets.send()
      await until(() => room.viewers.every(({ packets }) => packets.length === 100), 'all packets come')
      {
        using _refused = refusedViewer()
        using _slow = slow ? slowLink() : null
        for (let index = 100; index < PACKETS; index++) room.packets.send()
        await until(() => others.every(({ packets }) => packets.length === PACKETS), 'the others get theirs')
      }
      t.is(gone.packets.length, 100)
      for (const viewer of others) hasAll(t, viewer)
      const { full, refused } = await room.worker.counters()
      t.is(full > 0, slow)
      t.true(refused > 0)
    },
  )
