import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import test from 'ava'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { workersAnswerSchema } from '../../common/wire/statistics-api.ts'
import { BareViewer } from '../support/bare-viewer.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { descendants, programOf } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

const JOINS = 1000
const AT_ONCE = 40
/** Between two workers' routers, once there was a pipe. */
const PIPE_SOCKETS = 4
/** 1000 viewers that were never released would be many times that; 1000 contracts that wait to expire are not. */
const HEAP_SLACK_MB = 8
const COLLECT = resolve(import.meta.dirname, '../support/collect-on-signal.ts')

test('after a thousand viewers came and went, politely or not, everything is as it was', async (t) => {
  t.timeout(120_000)
  process.env['NODE_OPTIONS'] = `--expose-gc --import ${COLLECT}`
  await using hub = await startHub([{ streamId: 'cam-1' }], {
    workers: 2,
    logLevel: 'warn',
    // So few that the stream is piped to the second worker, again and again.
    args: ['--consumers-per-worker', '120', '--viewers-per-stream', '9999', '--viewers-per-tenant', '9999'],
  })
  await using _sender = await startClipSender(hub.streams.get('cam-1')!, {
    path: await generateMedia('baseline', { seconds: 30 }),
  })
  await using first = await WeriftViewer.open(hub.url, 'cam-1')
  await first.track('video')
  await first[Symbol.asyncDispose]()
  const files = openFiles(hub)
  await comeAndGo(hub, AT_ONCE)
  const before = await until(() => settled(hub, 'viewers'), 'no viewer is left')

  const silent = await BareViewer.open(hub.url, (await subscribe(hub)).ticket)
  await silent.joined
  for (let joins = 0; joins < JOINS; joins += AT_ONCE) {
    if (joins % (10 * AT_ONCE) === 0) {
      await using viewer = await WeriftViewer.open(hub.url, 'cam-1')
      await viewer.track('video')
    }
    const piped = await comeAndGo(hub, AT_ONCE)
    if (joins === 0) t.true(piped, 'both workers had viewers')
  }
  await until(() => silent.closed.then(() => true), 'who answers no ping is gone', 20_000)
  const after = await until(() => settled(hub, 'viewers and pipes'), 'nothing is consumed', 20_000)
  t.deepEqual(after.transports, before.transports)
  await until(() => openFiles(hub) <= files + PIPE_SOCKETS, `no more than ${files} open files`, 20_000)
  t.is(await hub.metric('overlay_sessions_active'), 0)
  t.true(after.heapMb <= before.heapMb + HEAP_SLACK_MB, `${after.heapMb} MB of heap, ${before.heapMb} before`)
  t.log({ before, after, files, filesAfter: openFiles(hub) })
})

/** Viewers join all at once and leave in one of three ways. Whether both workers had some. */
async function comeAndGo(hub: TestHub, count: number): Promise<boolean> {
  const viewers = await Promise.all(
    Array.from({ length: count }, async () => {
      const { ticket, contractId } = await subscribe(hub)
      const viewer = await BareViewer.open(hub.url, ticket)
      const { consumers } = (await viewer.joined).streams[0]!
      if (consumers.length !== 2) throw new Error(`${consumers.length} consumers`)
      return { viewer, contractId }
    }),
  )
  const { workers } = await workersOf(hub)
  await Promise.all(
    viewers.map(async ({ viewer, contractId }, index) => {
      if (index % 3 === 0) viewer.leave()
      else if (index % 3 === 1) viewer.vanish()
      else await hub.api('DELETE', `/v1/viewers/${contractId}`)
      await viewer.closed
    }),
  )
  return workers.every(({ viewers }) => viewers > 0)
}

async function subscribe(hub: TestHub): Promise<{ ticket: string; contractId: string }> {
  const { body } = await hub.api('POST', '/v1/subscribe', { stream_id: 'cam-1', tenant_id: 'default' }, null)
  const { contract_id, join } = subscribeAnswerSchema.parse(body)
  return { ticket: join.webrtc.ticket, contractId: contract_id }
}

const workersOf = async (hub: TestHub) =>
  workersAnswerSchema.parse((await hub.api('GET', '/v1/workers')).body)

/** What is open once they are gone; null before. */
async function settled(hub: TestHub, gone: 'viewers' | 'viewers and pipes') {
  const { workers } = await workersOf(hub)
  if (workers.some(({ viewers }) => viewers > 0)) return null
  if (gone === 'viewers and pipes' && workers.some(({ consumers }) => consumers > 0)) return null
  return { transports: workers.map(({ transports }) => transports), heapMb: await heapOf(hub) }
}

/** Of the hub and its media workers. */
function openFiles(hub: TestHub): number {
  const workers = descendants(hub.pid).filter((pid) => programOf(pid).includes('mediasoup-worker'))
  return [hub.pid, ...workers].reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0)
}

/** Right after a collection, MB. */
async function heapOf(hub: TestHub): Promise<number> {
  const seen: number[] = []
  // The signal may come after the question.
  for (let look = 0; look < 3; look += 1) {
    process.kill(hub.pid, 'SIGUSR2')
    seen.push(Math.round((await hub.metric('nodejs_heap_size_used_bytes')) / 1e6))
  }
  return Math.min(...seen)
}
