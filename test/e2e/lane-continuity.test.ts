import test, { type ExecutionContext } from 'ava'
import { startClipSender } from '../support/clip-sender.ts'
import { startFieldSender } from '../support/field-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { descendants } from '../support/processes.ts'
import { accessUnitTypes, longestSilence, type Step, steps, TICKS_PER_MS } from '../support/rtp-timeline.ts'
import { udpOwner } from '../support/udp-owner.ts'
import { until } from '../support/until.ts'
import { type ReceivedTrack, WeriftViewer } from '../support/werift-viewer.ts'

/**
 * One hub, two streams on two workers, a viewer on each that stays connected through everything that happens to
 * the first stream; the second must not notice any of it.
 */

const SPS = 7
const PPS = 8
const IDR = 5
const KINDS = ['video', 'audio'] as const
/**
 * How far an RTP timestamp may be from real time across an interruption, ms. The recover benchmark measures the speed.
 */
/** Speed is measured by the recover benchmark; a starved machine must not fail what is right. */
const CLOCK_TOLERANCE_MS = 1000
/** Past this, mediasoup and browsers take a jump for a new stream (RFC 3550 appendix A.1, MAX_DROPOUT). */
const MAX_DROPOUT = 3000

let hub: TestHub
let viewer: WeriftViewer
let neighbour: WeriftViewer
const resources = new AsyncDisposableStack()

test.before(async () => {
  const path = await generateMedia('baseline', { seconds: 90, kbps: 500 })
  hub = resources.use(
    await startHub(
      [
        { streamId: 'cam-1', streamClass: 'record' },
        { streamId: 'cam-2', streamClass: 'record' },
      ],
      { workers: 2 },
    ),
  )
  resources.use(await startClipSender(stream('cam-2'), { path }))
  viewer = resources.use(await WeriftViewer.open(hub.url, 'cam-1'))
  neighbour = resources.use(await WeriftViewer.open(hub.url, 'cam-2'))
  await neighbour.track('video')
  await neighbour.track('audio')
})

test.after.always(() => resources.disposeAsync())

test.serial('a sender that is killed and restarted goes on in the same lane', async (t) => {
  await using sender = await liveCard()
  const flow = await flowing()
  await sender.kill()
  const killedAt = performance.now()
  await until(() => viewer.state === 'input_lost', 'input lost')
  t.log(`input_lost told ${ms(performance.now() - killedAt)} after the kill`)
  await using _again = await liveCard()
  const backAt = performance.now()
  await resumed(t, flow, 'after the sender was back', backAt)
})

test.serial('a sender whose PTS begin again goes on in the same lane', async (t) => {
  const path = await generateMedia('high', { seconds: 30, kbps: 500 })
  await using first = await startClipSender(stream('cam-1'), { path, fromMs: 12_000 })
  const flow = await flowing()
  await first.kill()
  await until(() => viewer.state === 'input_lost', 'input lost')
  await using _second = await startClipSender(stream('cam-1'), { path })
  await resumed(t, flow, 'after the sender was back', performance.now())
})

test.serial('a killed ingress process is replaced and the lane goes on', async (t) => {
  await using _sender = await clip()
  const flow = await flowing()
  const pid = ingressPid()
  process.kill(pid, 'SIGKILL')
  const took = await resumed(t, flow, 'after the ingress was killed', performance.now())
  t.true(took < 10_000, `${took} ms`)
  t.not(ingressPid(), pid)
})

test.serial('an ingress process that hangs is ended, replaced, and the lane goes on', async (t) => {
  await using _sender = await clip()
  const flow = await flowing()
  const pid = ingressPid()
  process.kill(pid, 'SIGSTOP')
  const took = await resumed(t, flow, 'after the ingress hung', performance.now())
  t.true(took > 2500 && took < 5000, `${took} ms`)
  t.not(ingressPid(), pid)
})

test.serial('PTS that pass 2^33 are no interruption', async (t) => {
  const path = await generateMedia('pts-wrap', { seconds: 4 })
  await using sender = await startClipSender(stream('cam-1'), { path })
  const { tracks } = await flowing()
  const from = tracks.map(({ packets }) => packets.length)
  await sender.over
  tracks.forEach(({ kind, packets }, index) => {
    const passed = steps(packets.slice(from[index]!), TICKS_PER_MS[kind])
    t.true(passed.length > 100)
    t.true(passed.every(({ sequence }) => sequence === 1))
    for (const { mediaMs } of passed) t.true(mediaMs >= 0 && mediaMs < 50, `${kind} ${mediaMs} ms`)
  })
})

test.serial(
  'a killed media worker is replaced and its viewers join again on the same connection',
  async (t) => {
    await using _sender = await clip()
    await flowing()
    const { port } = viewer.joins.at(-1)!.value.transport.ice_candidates[0] as { port: number }
    const pid = udpOwner(port, descendants(hub.pid))!
    const clockBefore = (await viewer.track('video')).packets.at(-1)!
    process.kill(pid, 'SIGKILL')
    const killedAt = performance.now()
    await until(() => viewer.rejoins.length === 1, 'the request to join again')
    const rejoinedAfter = await until(() => viewer.joins[1], 'the second join').then(
      ({ at }) => at - killedAt,
    )
    const after = await Promise.all(KINDS.map((kind) => viewer.track(kind)))
    await until(() => after[0]!.packets.some(({ marker }) => marker), 'a whole picture')
    const backAfter = after.map(({ packets }) => packets[0]!.at - killedAt)
    t.log(
      `join answered ${ms(rejoinedAfter)}, video ${ms(backAfter[0]!)}, audio ${ms(backAfter[1]!)} after the kill`,
    )
    t.true(rejoinedAfter < 10_000 && Math.max(...backAfter) < 10_000)
    t.is(viewer.rejoins[0]!.value, 'worker_lost')
    t.deepEqual(accessUnitTypes(after[0]!.packets, 0).slice(0, 3), [SPS, PPS, IDR])
    // The consumers are new and have new numbers, but the lane's clock went on.
    const moved = ((after[0]!.packets[0]!.timestamp - clockBefore.timestamp) | 0) / TICKS_PER_MS.video
    const passed = after[0]!.packets[0]!.at - clockBefore.at
    t.true(Math.abs(moved - passed) < CLOCK_TOLERANCE_MS, `clock moved ${ms(moved)} in ${ms(passed)}`)
    t.is(await hub.metric('service_restarts_total{service="worker"}'), 1)
  },
)

test.serial('the stream on the other worker noticed nothing of all that', async (t) => {
  t.deepEqual(neighbour.rejoins, [])
  t.is(neighbour.joins.length, 1)
  for (const kind of KINDS) {
    const { packets } = await neighbour.track(kind)
    const gaps = steps(packets, TICKS_PER_MS[kind]).filter(({ sequence }) => sequence !== 1)
    t.log(
      `${kind}: ${packets.length} packets, longest silence ${ms(longestSilence(packets, TICKS_PER_MS[kind]).arrivalMs)}`,
    )
    t.true(packets.length > 500)
    t.deepEqual(gaps.map(outline), [])
  }
  const damage = hub.log.filter((line) => line['stream_id'] === 'cam-2' && line['msg'] === 'input is damaged')
  t.deepEqual(damage, [])
})

test.serial('a media worker that hangs is replaced; requests meanwhile are answered', async (t) => {
  await using _sender = await clip()
  await flowing()
  const [rejoins, joins] = [viewer.rejoins.length, viewer.joins.length]
  const { port } = viewer.joins.at(-1)!.value.transport.ice_candidates[0] as { port: number }
  const pid = udpOwner(port, descendants(hub.pid))!
  process.kill(pid, 'SIGSTOP')
  const stoppedAt = performance.now()
  const answeredIn = async (path: string) => {
    const askedAt = performance.now()
    const { status } = await hub.api('GET', path)
    return { status, soon: performance.now() - askedAt < 2500 }
  }
  t.deepEqual(await Promise.all(['/v1/workers', '/v1/streams/cam-1/statistics'].map(answeredIn)), [
    { status: 200, soon: true },
    { status: 200, soon: true },
  ])
  await until(async () => (await fetch(`${hub.url}/readyz`)).status === 503, 'the hub is not ready')
  await until(() => viewer.rejoins.length === rejoins + 1, 'the request to join again')
  const took = performance.now() - stoppedAt
  t.log(`told to join again ${ms(took)} after the worker was stopped`)
  t.true(took > 2500 && took < 6000, ms(took))
  await until(() => viewer.joins.length > joins, 'the next join')
  const video = await viewer.track('video')
  await until(() => video.packets.some(({ marker }) => marker), 'a whole picture')
  t.is(await hub.metric('service_restarts_total{service="worker"}'), 2)
  const { body } = await hub.api('GET', '/v1/alarms')
  t.true(JSON.stringify(body).includes('"kind":"service_restarting"'))
})

function stream(streamId: string) {
  return hub.streams.get(streamId)!
}

/** A live encoder with the wall clock as PTS: a restarted one goes on in time. */
function liveCard() {
  const { ports, passphrase, username, password } = stream('cam-1')
  return startFieldSender({
    links: ports.map((port) => ({ host: '127.0.0.1', port })),
    passphrase,
    username,
    password,
    card: { width: 640, height: 360, fps: 15, videoKbps: 500 },
  })
}

async function clip() {
  return startClipSender(stream('cam-1'), {
    path: await generateMedia('baseline', { seconds: 90, kbps: 500 }),
  })
}

function ingressPid(): number {
  const pid = udpOwner(stream('cam-1').ports[0]!, descendants(hub.pid))
  if (pid === undefined) throw new Error('no process listens on the link')
  return pid
}

interface Flow {
  readonly tracks: readonly ReceivedTrack[]
  /** From then on they have been flowing. */
  readonly since: number
}

/** Both tracks of the first stream, once they have been flowing for a while without a break. */
async function flowing(): Promise<Flow> {
  const tracks = await Promise.all(KINDS.map((kind) => viewer.track(kind)))
  for (;;) {
    await until(() => viewer.state === 'live' && tracks.every(isFresh), 'live')
    const since = performance.now()
    await until(() => tracks.every(({ packets }) => packets.at(-1)!.at > since + 700), 'media for a while')
    // What the ingress still held of the sender before this one ends with a break of its own.
    const unbroken = tracks.every(({ kind, packets }) =>
      steps(
        packets.filter(({ at }) => at > since),
        TICKS_PER_MS[kind],
      ).every(({ sequence }) => sequence === 1),
    )
    if (unbroken) return { tracks, since }
  }
}

const isFresh = ({ packets }: ReceivedTrack): boolean => packets.at(-1)!.at > performance.now() - 50

/**
 * The same tracks flow again: checks the interruption as a viewer saw it.
 * @returns ms from `sinceMs` to the first video packet
 */
async function resumed(
  t: ExecutionContext,
  { tracks, since }: Flow,
  words: string,
  sinceMs: number,
): Promise<number> {
  const trackCount = viewer.tracks.length
  const [video] = tracks
  const states = () => viewer.states.filter(({ at }) => at > since).map(({ value }) => value.state)
  await until(() => states().includes('live'), 'live again', 15_000)
  const { at: backAt } = await until(() => video!.packets.find(({ at }) => at > sinceMs + 50), 'video again')
  await until(() => tracks.every(({ packets }) => packets.at(-1)!.at > backAt + 400), 'media after that')
  t.deepEqual(states(), ['input_lost', 'live'])
  t.is(viewer.tracks.length, trackCount, 'no other consumers')
  t.deepEqual(viewer.rejoins, [])
  for (const { kind, packets } of tracks) {
    const recent = packets.filter(({ at }) => at > since)
    const gap = longestSilence(recent, TICKS_PER_MS[kind])
    t.log(
      `${kind}: back ${ms(gap.after.at - sinceMs)} ${words}; silent ${ms(gap.arrivalMs)}, RTP clock moved ${ms(gap.mediaMs)}, ${gap.sequence - 1} sequence numbers left out`,
    )
    t.true(gap.sequence > 1 && gap.sequence < MAX_DROPOUT, `${kind} sequence ${gap.sequence}`)
    t.true(Math.abs(gap.mediaMs - gap.arrivalMs) < CLOCK_TOLERANCE_MS, `${kind} clock ${gap.mediaMs}`)
    const others = steps(recent, TICKS_PER_MS[kind]).filter((step) => step.after !== gap.after)
    t.deepEqual(others.filter(({ sequence, mediaMs }) => sequence !== 1 || mediaMs < 0).map(outline), [])
    if (kind === 'video') t.deepEqual(accessUnitTypes(recent, gap.index).slice(0, 3), [SPS, PPS, IDR])
  }
  return backAt - sinceMs
}

const ms = (value: number): string => `${Math.round(value)} ms`
const outline = ({ sequence, mediaMs, arrivalMs }: Step): string => `${sequence} ${mediaMs} ${arrivalMs}`
