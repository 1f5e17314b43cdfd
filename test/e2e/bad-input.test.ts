import { monitorEventLoopDelay } from 'node:perf_hooks'
import test, { type ExecutionContext } from 'ava'
import { startClipSender } from '../support/clip-sender.ts'
import { type OpenStream, startHub, type TestHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { startFfmpeg, startRistsender } from '../support/other-senders.ts'
import { descendants, programOf } from '../support/processes.ts'
import { flipBits, flood, intrude, sendGarbage, truncate } from '../support/rist-intruder.ts'
import { heldUpMs, longestSilence, steps, TICKS_PER_MS } from '../support/rtp-timeline.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

/**
 * One hub with a good stream that is being watched, and everything that may arrive at a link's port: each is told
 * and counted, no process dies, and the good stream does not notice.
 */

const KINDS = ['video', 'audio'] as const
/** A good stream is held up by less than this, ms. */
const STALL_MS = 1000

let hub: TestHub
let viewer: WeriftViewer
let clip: string
let good: OpenStream
let idle: OpenStream
let family: number[]
const resources = new AsyncDisposableStack()

test.before(async () => {
  clip = await generateMedia('baseline', { seconds: 90, kbps: 500 })
  hub = resources.use(
    await startHub([
      { streamId: 'good', streamClass: 'record' },
      { streamId: 'idle', streamClass: 'record' },
    ]),
  )
  good = hub.streams.get('good')!
  idle = hub.streams.get('idle')!
  resources.use(await startClipSender(good, { path: clip }))
  viewer = resources.use(await WeriftViewer.open(hub.url, 'good'))
  await Promise.all(KINDS.map((kind) => viewer.track(kind)))
  family = descendants(hub.pid)
})

test.after.always(() => resources.disposeAsync())

/** Somebody arrives at a stream that must turn them away: told in the log, counted, and nobody else notices. */
const turnedAway = test.macro(
  async (t: ExecutionContext, start: () => AsyncDisposable | Promise<AsyncDisposable>, reason: string) => {
    const noticing = await watch(t)
    const before = await counted(reason)
    const logged = hub.log.length
    const line = await (async () => {
      await using _intruder = await start()
      return await until(
        () => hub.log.slice(logged).find((entry) => entry['reason'] === reason),
        `${reason} in the log`,
      )
    })()
    t.is(line['level'], 'warn')
    t.is(line['msg'], `turned away: ${reason.replaceAll('_', ' ')}`)
    t.true(typeof line['detail'] === 'string' && line['detail'].length > 20)
    t.true((await counted(reason)) > before)
    await noticing()
  },
)

test.serial(
  'a wrong passphrase',
  turnedAway,
  () => intrude(good, clip, { passphrase: 'not this one' }),
  'wrong_passphrase',
)
test.serial(
  'a wrong password',
  turnedAway,
  () => intrude(good, clip, { password: 'not this one' }),
  'wrong_credentials',
)
test.serial('a second sender', turnedAway, () => intrude(good, clip), 'second_sender')
test.serial(
  'ristsender that encrypts but does not authenticate',
  turnedAway,
  () =>
    startRistsender(
      good.ports.map((port) => ({ port, passphrase: good.passphrase })),
      clip,
    ),
  'no_credentials',
)
test.serial(
  "ffmpeg's rist:// with the passphrase, for a stream without a sender",
  turnedAway,
  () => startFfmpeg({ port: idle.ports[0]!, passphrase: idle.passphrase }, clip),
  'no_credentials',
)
test.serial(
  'ristsender without any secret',
  turnedAway,
  () =>
    startRistsender(
      idle.ports.map((port) => ({ port })),
      clip,
    ),
  'plaintext',
)
test.serial(
  'random bytes at a link of the stream itself',
  turnedAway,
  () => sendGarbage(good.ports[0]!),
  'garbage',
)

/** An authenticated sender sends rubbish: it is counted by kind, told in the log, and nobody else notices. */
const damaged = test.macro(
  async (t: ExecutionContext, start: () => Promise<AsyncDisposable>, kinds: readonly string[]) => {
    const noticing = await watch(t)
    const logged = hub.log.length
    const found = new Set<string>()
    await (async () => {
      await using _intruder = await start()
      await until(() => {
        for (const { counts } of hub.log.slice(logged))
          for (const kind of Object.keys(counts ?? {})) found.add(kind)
        return kinds.every((kind) => found.has(kind))
      }, `${kinds} in the log`)
    })()
    t.log([...found].join(', '))
    for (const kind of kinds) t.true((await hub.metric(`lanecast_input_issues_total{kind="${kind}"}`)) > 0)
    await noticing()
  },
)

test.serial('a truncated transport stream', damaged, () => intrude(idle, clip, {}, truncate(7)), [
  'sync_lost',
  'continuity_error',
])
test.serial(
  'a transport stream with flipped bits',
  damaged,
  () => intrude(idle, clip, {}, flipBits(3000, 7)),
  ['continuity_error', 'access_unit_dropped'],
)
test.serial(
  'a transport stream with 200 PIDs',
  damaged,
  async () => intrude(idle, await generateMedia('many-pids')),
  ['too_many_pids'],
)

test.serial('a flood of garbage at full speed for 5 s', async (t) => {
  const noticing = await watch(t)
  const before = await counted('garbage')
  const sent = await flood(idle.ports[1]!, 5000)
  t.log(`${sent} packets in 5 s at a link of the other stream`)
  t.true(sent > 10_000)
  await until(async () => (await counted('garbage')) > before, 'the flood is counted')
  await noticing()
})

const counted = (reason: string): Promise<number> => hub.metric(`rejected_total{reason="${reason}"}`)

/**
 * Watches the good stream from now on.
 * @returns what waits for a little more media and checks all that came meanwhile
 */
async function watch(t: ExecutionContext): Promise<() => Promise<void>> {
  const tracks = await Promise.all(KINDS.map((kind) => viewer.track(kind)))
  const from = tracks.map(({ packets }) => packets.length)
  // This test's own work may hold up the viewer: that is not the hub's fault.
  const own = monitorEventLoopDelay({ resolution: 5 })
  own.enable()
  return async () => {
    const until400 = performance.now() + 400
    await until(() => tracks.every(({ packets }) => packets.at(-1)!.at > until400), 'more of the good stream')
    own.disable()
    const ownMs = own.max / 1e6
    tracks.forEach(({ kind, packets }, index) => {
      const meanwhile = packets.slice(from[index]!)
      const ticks = TICKS_PER_MS[kind]
      const gaps = steps(meanwhile, ticks).filter(({ sequence }) => sequence !== 1)
      const held = heldUpMs(meanwhile, ticks)
      const silence = longestSilence(meanwhile, ticks).arrivalMs
      t.log(
        `${kind}: ${meanwhile.length} packets, held up ${held.toFixed()} ms, silent ${silence.toFixed()} ms, own event loop ${ownMs.toFixed()} ms`,
      )
      t.deepEqual(
        gaps.map(({ sequence, mediaMs }) => `${sequence} ${mediaMs}`),
        [],
        `gaps in ${kind}`,
      )
      t.true(held < STALL_MS + ownMs, `${kind} was held up ${held} ms`)
    })
    t.is(viewer.rejoins.length, 0)
    t.is(viewer.states.filter(({ value }) => value.state !== 'live' && value.state !== 'waiting').length, 0)
    for (const service of ['ingress', 'worker'])
      t.is(await hub.metric(`service_restarts_total{service="${service}"}`), 0)
    // The attacked stream's process starts when somebody knocks, and ends again.
    const now = descendants(hub.pid)
    const others = now.filter((pid) => !family.includes(pid))
    t.deepEqual(
      now.filter((pid) => family.includes(pid)),
      family,
      'the same processes',
    )
    t.true(others.length <= 1 && others.every((pid) => !/mediasoup/.test(programOf(pid))), String(others))
  }
}
