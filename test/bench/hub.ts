import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { TelemetryReport } from '../../common/wire/telemetry.ts'
import { nodeKey } from '../server/auth/node-key.ts'
import { percentile } from '../support/frame-reader.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { descendants } from '../support/processes.ts'
import { steps } from '../support/rtp-timeline.ts'
import { type ReceivedTrack, WeriftViewer } from '../support/werift-viewer.ts'
import { type Bench, rounded } from './bench.ts'
import { HubLoad } from './hub-load.ts'
import type { LoadOrder, LoadResult } from './hub-load-protocol.ts'
import { makeClip } from './paced-clip.ts'
import { PacedSenders } from './paced-senders.ts'

const run = promisify(execFile)

const DEFAULT_SECONDS = 8
const SETTLE_MS = 3000
const BUFFER_MS = 60
const CONNECTIONS = 16
const TOKENS = 4
/** Nodes that report, links of each, and reports in a batch. */
const NODES = 20
const LINKS = 5
const BATCH = NODES * LINKS
/** RTP clock of video. */
const TICKS_PER_MS = 90
/** More than the hub can do, and no more than its rate limits allow four callers. */
const MOST = { subscribes: 4000, batches: 400 }
/** The rates that the hub must hold at the same time, plus a tenth. */
const RATED = { subscribes: 550, batches: 55 }

/**
 * The real hub with its real database, held to one core with its media worker and its ingress, while a 6 Mb/s stream
 * plays: how much it answers over HTTP at most, and what the rates it must hold do to the packets of the stream.
 * Senders, viewer and load have the other cores.
 */
/** Each contract holds a viewer's place for a while: what is measured is the granting, not who fits in. */
const NO_CEILING = [
  ...['--max-conns', '1000000', '--consumers-per-worker', '100000'],
  ...['--viewers-per-stream', '1000000', '--viewers-per-tenant', '1000000'],
  ...['--viewers-per-address', '1000000'],
]

export const hub: Bench = {
  about: 'subscribes and telemetry per second on one core, and what they do to a playing stream',
  async run({ progress, seconds = DEFAULT_SECONDS }) {
    await using stack = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'lanecast-bench-hub-'))
    stack.defer(() => rm(folder, { recursive: true, force: true }))
    progress.say('making the clip')
    const clip = await makeClip()
    progress.say('starting')
    const running = stack.use(
      await startHub([{ streamId: 'bench' }], {
        workers: 1,
        logLevel: 'warn',
        dataDir: join(folder, 'data'),
        args: NO_CEILING,
      }),
    )
    await pin(running)
    const { ports, passphrase, username, password } = running.streams.get('bench')!
    const streams = [{ ports: [...ports], passphrase, username, password }]
    stack.use(new PacedSenders({ clip, streams, mode: 'duplicate', bufferMs: BUFFER_MS, repeat: true }))
    const viewer = stack.use(await WeriftViewer.open(running.url, 'bench'))
    const track = await viewer.track('video')
    const loads = [stack.use(new HubLoad()), stack.use(new HubLoad())]
    const nodes = await enrolNodes(running)
    const tokens = await Promise.all(
      Array.from({ length: TOKENS }, (_, index) =>
        running.issueToken({ role: 'publisher', subject: `bench-${index}` }),
      ),
    )
    const viewers = await Promise.all(
      Array.from({ length: TOKENS }, (_, index) =>
        running.issueToken({ role: 'viewer', subject: `viewer-${index}` }),
      ),
    )
    const common = { hubUrl: running.url, method: 'POST' as const, connections: CONNECTIONS }
    const subscribe: Omit<LoadOrder, 'seconds'> = {
      ...common,
      tokens: viewers,
      path: '/v1/subscribe',
      expect: 200,
      bodies: [JSON.stringify({ stream_id: 'bench' })],
    }
    const telemetry: Omit<LoadOrder, 'seconds'> = {
      ...common,
      tokens,
      path: '/v1/telemetry',
      expect: 202,
      bodies: [JSON.stringify(reportsOf(nodes))],
    }
    progress.say('warming up')
    await loads[0]!.run({ ...subscribe, seconds: 1, perSecond: 300 })
    await loads[1]!.run({ ...telemetry, seconds: 1, perSecond: 50 })
    await delay(SETTLE_MS)

    progress.say('measuring the stream alone')
    const idle = await jitterDuring(track, () => delay(seconds * 1000))
    const measure = async (what: string, ...orders: Omit<LoadOrder, 'seconds'>[]) => {
      progress.say(`measuring ${what}`)
      const results: LoadResult[] = []
      const jitter = await jitterDuring(track, async () => {
        results.push(
          ...(await Promise.all(orders.map((order, index) => loads[index]!.run({ ...order, seconds })))),
        )
      })
      await delay(SETTLE_MS)
      return { results, jitter }
    }
    const most = {
      subscribe: await measure('subscribes', { ...subscribe, perSecond: MOST.subscribes }),
      telemetry: await measure('telemetry', { ...telemetry, perSecond: MOST.batches, mayRefuse: 429 }),
    }
    const rated = await measure(
      'both at the rates it must hold',
      { ...subscribe, perSecond: RATED.subscribes },
      { ...telemetry, perSecond: RATED.batches },
    )
    const [subscribes, reports] = [most.subscribe.results[0]!, most.telemetry.results[0]!]
    const [ratedSubscribes, ratedReports] = [rated.results[0]!, rated.results[1]!]
    return {
      bench: 'hub',
      subscribe_per_second: rounded(subscribes.perSecond, 0),
      subscribe_p99_ms: rounded(subscribes.p99Ms),
      telemetry_per_second: rounded(reports.perSecond * BATCH, 0),
      telemetry_p99_ms: rounded(reports.p99Ms),
      rss_mb: rounded(residentMb(running.pid), 0),
      media_p99_jitter_ms: rounded(rated.jitter, 2),
      media_p99_jitter_idle_ms: rounded(idle, 2),
      rated_subscribe_per_second: rounded(ratedSubscribes.perSecond, 0),
      rated_subscribe_p99_ms: rounded(ratedSubscribes.p99Ms),
      rated_telemetry_per_second: rounded(ratedReports.perSecond * BATCH, 0),
      rated_telemetry_p99_ms: rounded(ratedReports.p99Ms),
      saturated_subscribe_jitter_ms: rounded(most.subscribe.jitter, 2),
      saturated_telemetry_jitter_ms: rounded(most.telemetry.jitter, 2),
    }
  },
}

/** The hub and all its children on the first core, we and ours on the others. */
async function pin(running: TestHub): Promise<void> {
  for (const pid of [running.pid, ...descendants(running.pid)])
    await run('taskset', ['-acp', '0', String(pid)])
  const cores = availableParallelism()
  if (cores > 1) await run('taskset', ['-acp', `1-${cores - 1}`, String(process.pid)])
}

/** Sender nodes in the directory of the default tenant. */
async function enrolNodes(running: TestHub): Promise<string[]> {
  const nodes: string[] = []
  for (let index = 0; index < NODES; index++) {
    const wanted = { tenant_id: 'default', roles: ['sender'], node_id: `sender-${index}` }
    const issued = await running.api('POST', '/v1/enrolment-tokens', wanted)
    const { token } = z.object({ token: z.string() }).parse(issued.body)
    const { csr } = await nodeKey()
    const capabilities = { transports: [{ transport: 'rist' }] }
    const body = { role: 'sender', capabilities, enrollment_token: token, csr }
    const answer = await running.api('POST', '/v1/node/init', body, null)
    nodes.push(z.object({ node_id: z.string() }).parse(answer.body).node_id)
  }
  return nodes
}

/** One report of each link of each node. */
function reportsOf(nodes: readonly string[]): object[] {
  return nodes.flatMap((node_id, node) =>
    Array.from({ length: LINKS }, (_, link): Omit<TelemetryReport, 'at'> & { at: string } => ({
      node_id,
      link_id: `link-${link}`,
      stream_id: `stream-${node}`,
      rtt_ms: 20 + link,
      jitter_ms: 2,
      loss: 0.001,
      bitrate_kbps: 3000,
      queue_depth: 2,
      at: '$NOW',
      packets_sent: 300,
      packets_delivered: 299,
    })),
  )
}

/** p99 of how far the time between packets was from what their timestamps say (RFC 3550 section 6.4.1), ms. */
async function jitterDuring(track: ReceivedTrack, during: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await during()
  const packets = track.packets.filter(({ at }) => at >= from)
  const deviations = steps(packets, TICKS_PER_MS)
    .filter(({ sequence }) => sequence === 1)
    .map(({ mediaMs, arrivalMs }) => Math.abs(arrivalMs - mediaMs))
    // Where the clip begins anew its timestamps jump.
    .filter((ms) => ms < 1000)
  if (deviations.length < 1000) throw new Error(`the stream stopped: ${deviations.length} packets`)
  return percentile(deviations, 0.99)
}

function residentMb(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? Number.NaN) / 1024
}
