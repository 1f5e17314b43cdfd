import { percentile } from '../support/frame-reader.ts'
import { type Bench, type BenchContext, rounded } from './bench.ts'
import { openBareMediasoup } from './fanout/bare-mediasoup.ts'
import { FanoutSide, type OpenServer, type Window } from './fanout/fanout-side.ts'
import { FanoutViewers } from './fanout/fanout-viewers.ts'
import { withFewerViewers } from './fanout/fewer-viewers.ts'
import { openLanecast } from './fanout/lanecast-server.ts'
import { syscallUs } from './syscall-cost.ts'

/** As many viewers as two fast cores can play beside the worker without any loss, and the fewest that say anything. */
const VIEWERS = { most: 80, least: 10 }
const ROUNDS = 5
const WINDOW_MS = 2000
/** Estimates settle on the top layer. Every round begins with a keyframe within 2 s. */
const FIRST_SETTLE_MS = 6000
const SETTLE_MS = 700
/** Packets of 2.5 Mb/s a second, to one viewer. */
const PACKETS_PER_SECOND = (2500 * 125) / 1100

/** CPU for a packet to a viewer, ours and bare mediasoup's, in turns under the same load. */
export const fanout: Bench = {
  about: 'viewers of one 2.5 Mb/s stream that one worker holds, against bare mediasoup',
  async run(context) {
    const say = context.progress.say.bind(context.progress)
    const { result, viewers, halved } = await withFewerViewers(VIEWERS, say, async (count) => ({
      simulcast: await compare('simulcast', { renditions: 2, count }, context),
      single: await compare('single', { renditions: 1, count }, context),
    }))
    const { simulcast, single } = result
    return {
      bench: 'fanout',
      viewers_per_core: viewersPerCore(simulcast.ours),
      bare_mediasoup_viewers_per_core: viewersPerCore(simulcast.bare),
      ratio: simulcast.ratio,
      pps: rounded(1e6 / median(simulcast.ours), 0),
      rss_mb: simulcast.rssMb,
      single_layer_viewers_per_core: viewersPerCore(single.ours),
      single_layer_bare_mediasoup_viewers_per_core: viewersPerCore(single.bare),
      single_layer_ratio: single.ratio,
      us_per_packet: rounded(median(simulcast.ours), 2),
      single_layer_us_per_packet: rounded(median(single.ours), 2),
      syscall_us: rounded(syscallUs(), 2),
      viewers,
      halved,
    }
  },
}

interface Compared {
  /** Of each round, microseconds per packet. */
  readonly ours: readonly number[]
  readonly bare: readonly number[]
  /** How many more viewers ours holds: the middle round. */
  readonly ratio: number
  readonly rssMb: number
}

async function compare(
  name: string,
  { renditions, count }: { renditions: number; count: number },
  { progress }: BenchContext,
): Promise<Compared> {
  await using stack = new AsyncDisposableStack()
  const viewers = stack.use(await FanoutViewers.open())
  const open = async (side: string, server: OpenServer) => {
    progress.say(`${name}: ${count} viewers join ${side}`)
    return stack.use(await FanoutSide.open(side, server, { viewers, count, renditions }))
  }
  const ours = await open('ours', openLanecast)
  const bare = await open('bare mediasoup', openBareMediasoup)
  for (const side of [ours, bare]) await side.play(FIRST_SETTLE_MS)
  const rounds: { ours: Window; bare: Window }[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    progress.say(`${name}: round ${round + 1} of ${ROUNDS}`)
    const window = (side: FanoutSide) => side.measure(SETTLE_MS, WINDOW_MS)
    // The second side finds a warmer machine, so the sides take turns.
    if (round % 2 === 0) rounds.push({ ours: await window(ours), bare: await window(bare) })
    else {
      const second = await window(bare)
      rounds.push({ ours: await window(ours), bare: second })
    }
  }
  return {
    ours: rounds.map((round) => round.ours.usPerPacket),
    bare: rounds.map((round) => round.bare.usPerPacket),
    ratio: rounded(median(rounds.map((round) => round.bare.usPerPacket / round.ours.usPerPacket)), 2),
    rssMb: rounded(rounds.at(-1)!.ours.rssMb, 0),
  }
}

const median = (values: readonly number[]): number => percentile(values, 0.5)
const viewersPerCore = (usPerPacket: readonly number[]): number =>
  rounded(1e6 / median(usPerPacket) / PACKETS_PER_SECOND, 0)
