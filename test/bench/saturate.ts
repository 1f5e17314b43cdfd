import { execFile } from 'node:child_process'
import { availableParallelism, setPriority } from 'node:os'
import { promisify } from 'node:util'
import { type Bench, type BenchContext, rounded } from './bench.ts'
import { cpuMs } from './cpu-clock.ts'
import { FanoutSide, type Played } from './fanout/fanout-side.ts'
import { FanoutViewers } from './fanout/fanout-viewers.ts'
import { openLanecast, sendsBatched } from './fanout/lanecast-server.ts'
import { coreTimes, droppedDatagrams, idleShare } from './saturate/kernel-counts.ts'
import { type Giving, type Step, saturationOf, whatGives } from './saturate/what-gives.ts'
import { syscallUs } from './syscall-cost.ts'

const run = promisify(execFile)

/** Of each worker. What a packet costs there says how long the other steps are. */
const FIRST_VIEWERS = 40
/** Share of what a worker should hold that each step adds. */
const STEP = 1 / 8
/** The whole bench has to end within four minutes. */
const ENOUGH_MS = 90_000
/** Viewers that have just joined wait for a keyframe, up to 2 s. */
const SETTLE_MS = 2500
/** Of these windows of a step the middle one counts: what disturbs the machine for a moment hits one. */
const WINDOWS = 3
const WINDOW_MS = 1200
/** Where clients and workers share cores, the workers go first. */
const NICENESS = 10
/** Packets of 2.5 Mb/s a second, to one viewer, and how much of a core a worker may have. */
const PACKETS_PER_SECOND = (2500 * 125) / 1100
const FULL_CORE = 0.85

/** Viewers are added until something gives, on one worker and on one a core. */
export const saturate: Bench = {
  about: 'how many viewers of 2.5 Mb/s one worker, and all workers, hold until something gives',
  async run(context) {
    const cores = Array.from({ length: availableParallelism() }, (_, core) => core)
    const one = await fill(1, cores, context)
    const all = cores.length === 1 ? null : await fill(cores.length, cores, context)
    return {
      bench: 'saturate',
      ...one,
      all_workers: all,
      batched: sendsBatched(),
      syscall_us: rounded(syscallUs(), 2),
    }
  },
}

async function fill(workers: number, cores: readonly number[], { progress }: BenchContext) {
  const say = (what: string) => progress.say(`${workers === 1 ? '1 worker' : `${workers} workers`}: ${what}`)
  // One worker has a core for itself, where there are others for its clients.
  const alone = workers === 1 && cores.length > 1
  const clientCores = alone ? cores.slice(1) : cores
  await using stack = new AsyncDisposableStack()
  const sides: FanoutSide[] = []
  for (let worker = 0; worker < workers; worker += 1) {
    const side = stack.use(await FanoutSide.open(`worker ${worker}`, openLanecast, 1))
    sides.push(side)
    await pin(side.pid, alone ? cores.slice(0, 1) : cores)
  }
  await pin(process.pid, clientCores)
  const clients: FanoutViewers[] = []
  for (const _ of clientCores) {
    const client = stack.use(await FanoutViewers.open())
    setPriority(client.pid, NICENESS)
    clients.push(client)
  }
  const held: Step[] = []
  let gives: Giving | null = null
  let [perWorker, adding] = [0, FIRST_VIEWERS]
  for (const startedAt = performance.now(); performance.now() - startedAt < ENOUGH_MS; ) {
    say(`${(perWorker + adding) * workers} viewers`)
    await addViewers(sides, clients, adding)
    perWorker += adding
    const step = await middleOf(WINDOWS, sides, clients, clientCores)
    gives = whatGives(step, held[0] ?? step)
    if (gives !== null) break
    held.push(step)
    const room = (FULL_CORE * 1e6) / step.usPerPacket / PACKETS_PER_SECOND
    if (held.length === 1) adding = Math.max(10, Math.round(room * STEP))
  }
  say(gives === null ? 'nothing gave in the time that there is' : `what gave first: ${gives}`)
  const { full, half } = saturationOf(held)
  return {
    workers,
    viewers: full?.viewers ?? 0,
    first_to_give: gives,
    us_per_packet_at_half: half && rounded(half.usPerPacket, 2),
    us_per_packet_at_full: full && rounded(full.usPerPacket, 2),
    ratio: half && full && rounded(full.usPerPacket / half.usPerPacket, 2),
    worker_core_at_full: full && rounded(full.workerShare, 2),
    clients_cores_at_full: full && rounded(full.clientCores, 2),
    jitter_p99_ms_at_full: full && rounded(full.jitterMs, 1),
  }
}

/** Adds as many viewers to each worker, evenly over the processes that play them. */
async function addViewers(
  sides: readonly FanoutSide[],
  clients: readonly FanoutViewers[],
  count: number,
): Promise<void> {
  for (const side of sides)
    for (const [index, client] of clients.entries()) {
      const share = Math.floor((count + index) / clients.length)
      if (share > 0) await side.join(client, share, index === clients.length - 1)
    }
}

/**
 * Of several windows the one whose packets cost the middle price. Missing packets count over all windows: what is under
 * way at the end of one comes in the next.
 */
async function middleOf(
  windows: number,
  sides: readonly FanoutSide[],
  clients: readonly FanoutViewers[],
  cores: readonly number[],
): Promise<Step> {
  await Promise.all(sides.map((side) => side.play(SETTLE_MS, 0)))
  const steps: Step[] = []
  while (steps.length < windows) steps.push(await measure(sides, clients, cores))
  const middle = steps.toSorted((a, b) => a.usPerPacket - b.usPerPacket)[Math.floor(windows / 2)]!
  const mean = (of: (step: Step) => number) => steps.reduce((sum, step) => sum + of(step), 0) / windows
  return {
    ...middle,
    lost: mean(({ lost }) => lost),
    behind: mean(({ behind }) => behind),
    dropped: mean(({ dropped }) => dropped),
  }
}

async function measure(
  sides: readonly FanoutSide[],
  clients: readonly FanoutViewers[],
  cores: readonly number[],
): Promise<Step> {
  const used = () => clients.reduce((sum, { pid }) => sum + cpuMs(pid), 0)
  const drops = () => clients.reduce((sum, { pid }) => sum + droppedDatagrams(pid), 0)
  const [startedAt, usedBefore, dropsBefore, timesBefore] = [
    performance.now(),
    used(),
    drops(),
    coreTimes(cores),
  ]
  const played = await Promise.all(sides.map((side) => side.play(0, WINDOW_MS)))
  const [usedMs, times] = [used() - usedBefore, coreTimes(cores)]
  const wallMs = performance.now() - startedAt
  const sum = (of: (each: Played) => number) => played.reduce((total, each) => total + of(each), 0)
  const [received, lost, expected] = [
    sum((each) => each.received),
    sum((each) => each.lost),
    sum((each) => each.expected),
  ]
  return {
    viewers: sides.reduce((total, { count }) => total + count, 0),
    usPerPacket: (sum((each) => each.cpuMs) * 1000) / received,
    workerShare: Math.max(...played.map((each) => each.cpuMs / each.wallMs)),
    gone: sum((each) => each.gone),
    lost: lost / expected,
    behind: (expected - received - lost) / expected,
    dropped: (drops() - dropsBefore) / expected,
    jitterMs: Math.max(...played.map(({ jitterMs }) => jitterMs ?? 0)),
    clientsIdle: idleShare(timesBefore, times),
    clientCores: usedMs / wallMs,
  }
}

/** Holds a process with all its threads to some cores. */
async function pin(pid: number, cores: readonly number[]): Promise<void> {
  await run('taskset', ['-acp', cores.join(','), String(pid)])
}
