import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { type Bench, type BenchContext, rounded } from './bench.ts'
import { cpuMs } from './cpu-clock.ts'
import { DatagramReader } from './fanout/datagram-reader.ts'
import { rssMb } from './process-usage.ts'
import { openCoturn, openLanecastTurn, type RelayServer } from './turn/relay-server.ts'
import { allocationsPerSecond, PACKET_BYTES, TurnLeg } from './turn/turn-leg.ts'

/** Clients, each of which sends and receives. */
const LEGS = 16
/** Packets of each direction of each client a second: 2.5 Mb/s of video have 284. Half of that for latencies. */
const PER_SECOND = 600
const ROUNDS = 5
const WARM_MS = 1500
const ALLOCATIONS = 10_000
const AT_ONCE = 16
/** The kernel closes sockets at once; a server may wait for a moment. */
const SETTLE_MS = 3000

/** What TURN costs: packets through channels, both ways, ours and coturn's in turns. */
export const turn: Bench = {
  about: 'relaying by TURN: Mb/s of a core, added latency, allocations, beside coturn',
  async run(context) {
    await using ours = await openLanecastTurn()
    await using coturn = await openCoturn()
    const full = await compare([ours, coturn], PER_SECOND, context)
    const half = await compare([ours, coturn], PER_SECOND / 2, context)
    const direct = await latencyOf(null, PER_SECOND / 2, context)
    const rss = rssMb(ours.pid)
    context.progress.say('allocations')
    const before = descriptors(ours.pid)
    const allocations = await allocationsPerSecond(ours.port, ALLOCATIONS, AT_ONCE)
    await delay(SETTLE_MS)
    const [mine, theirs] = [full.get(ours)!, full.get(coturn)!]
    return {
      bench: 'turn',
      mbps_per_core: rounded(mine.mbpsPerCore),
      coturn_mbps_per_core: rounded(theirs.mbpsPerCore),
      ratio: rounded(mine.mbpsPerCore / theirs.mbpsPerCore, 2),
      added_latency_p95_ms: rounded(half.get(ours)!.p95Ms - direct, 2),
      coturn_added_latency_p95_ms: rounded(half.get(coturn)!.p95Ms - direct, 2),
      allocations_per_second: Math.round(allocations),
      leaked_fds: descriptors(ours.pid) - before,
      rss_mb: rounded(rss),
      load_mbps: rounded(mine.mbps),
      us_per_packet: rounded(mine.usPerPacket, 2),
      coturn_us_per_packet: rounded(theirs.usPerPacket, 2),
      lost: rounded(mine.lost, 5),
      coturn_lost: rounded(theirs.lost, 5),
    }
  },
}

interface Figures {
  readonly mbps: number
  readonly mbpsPerCore: number
  readonly usPerPacket: number
  readonly p95Ms: number
  readonly lost: number
}

/** The middle of several rounds, in which the servers have turns. */
async function compare(
  servers: readonly RelayServer[],
  perSecond: number,
  context: BenchContext,
): Promise<ReadonlyMap<RelayServer, Figures>> {
  const rounds = new Map<RelayServer, Figures[]>(servers.map((server) => [server, []]))
  using stack = new DisposableStack()
  const reader = new DatagramReader()
  const legs = new Map<RelayServer, TurnLeg[]>()
  for (const server of servers) legs.set(server, await legsTo(server, stack, reader))
  for (const server of servers) await play(legs.get(server)!, perSecond, WARM_MS)
  const measureMs = (context.seconds ?? 3) * 1000
  for (let round = 0; round < ROUNDS; round += 1)
    for (const server of servers) {
      context.progress.say(`${server.name}, ${perSecond * LEGS * 2} packets/s, round ${round + 1}`)
      rounds.get(server)!.push(await measure(server, legs.get(server)!, perSecond, measureMs))
    }
  return new Map(servers.map((server) => [server, middleOf(rounds.get(server)!)]))
}

/** p95 without a relay (null), ms. */
async function latencyOf(
  server: RelayServer | null,
  perSecond: number,
  context: BenchContext,
): Promise<number> {
  context.progress.say('without a relay')
  using stack = new DisposableStack()
  const reader = new DatagramReader()
  const legs = server
    ? await legsTo(server, stack, reader)
    : Array.from({ length: LEGS }, () => stack.use(TurnLeg.direct(reader)))
  await play(legs, perSecond, WARM_MS)
  keep(legs, true)
  await play(legs, perSecond, (context.seconds ?? 3) * 1000)
  return p95(legs)
}

async function legsTo(
  server: RelayServer,
  stack: DisposableStack,
  reader: DatagramReader,
): Promise<TurnLeg[]> {
  const legs: TurnLeg[] = []
  while (legs.length < LEGS) legs.push(stack.use(await TurnLeg.relayed(server.port, reader)))
  return legs
}

async function measure(
  server: RelayServer,
  legs: readonly TurnLeg[],
  perSecond: number,
  ms: number,
): Promise<Figures> {
  await play(legs, perSecond, WARM_MS / 3)
  const arrived = () => legs.reduce((sum, leg) => sum + leg.toClient.packets + leg.toPeer.packets, 0)
  keep(legs, true)
  const [before, cpuBefore, startedAt] = [arrived(), cpuMs(server.pid), performance.now()]
  const sent = await play(legs, perSecond, ms)
  const [packets, usedMs, wallMs] = [
    arrived() - before,
    cpuMs(server.pid) - cpuBefore,
    performance.now() - startedAt,
  ]
  const latency = p95(legs)
  keep(legs, false)
  const megabits = (packets * PACKET_BYTES * 8) / 1e6
  return {
    mbps: (megabits * 1000) / wallMs,
    mbpsPerCore: (megabits * 1000) / usedMs,
    usPerPacket: (usedMs * 1000) / packets,
    p95Ms: latency,
    lost: (sent - packets) / sent,
  }
}

function keep(legs: readonly TurnLeg[], keeping: boolean): void {
  for (const arrivals of legs.flatMap(({ toClient, toPeer }) => [toClient, toPeer])) {
    arrivals.keeping = keeping
    arrivals.delays.length = 0
  }
}

function p95(legs: readonly TurnLeg[]): number {
  const delays = legs
    .flatMap(({ toClient, toPeer }) => [...toClient.delays, ...toPeer.delays])
    .sort((a, b) => a - b)
  return delays[Math.floor(delays.length * 0.95)] ?? Number.NaN
}

/** Sends evenly, a little every millisecond. @returns how many packets were sent, once the last ones could arrive */
async function play(legs: readonly TurnLeg[], perSecond: number, ms: number): Promise<number> {
  const startedAt = performance.now()
  const sent = legs.map(() => 0)
  let turns = 0
  for (let passed = 0; passed < ms; passed = performance.now() - startedAt) {
    for (const [index, leg] of legs.entries()) {
      // Clients send at different moments.
      const due = Math.floor((passed * perSecond) / 1000 + index / legs.length) - sent[index]!
      if (due <= 0) continue
      leg.send(due)
      sent[index]! += due
    }
    turns += 1
    await delay(1)
  }
  await delay(30)
  return turns === 0 ? 0 : sent.reduce((sum, each) => sum + each, 0) * 2
}

function middleOf(rounds: readonly Figures[]): Figures {
  return rounds.toSorted((a, b) => a.usPerPacket - b.usPerPacket)[Math.floor(rounds.length / 2)]!
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}
