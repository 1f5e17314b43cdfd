import { percentile } from '../support/frame-reader.ts'
import { type Bench, type BenchContext, rounded } from './bench.ts'
import { openBareMediasoup } from './fanout/bare-mediasoup.ts'
import type { SrtpProfile } from './fanout/fanout-protocol.ts'
import { FanoutSide, type OpenServer, type Window } from './fanout/fanout-side.ts'
import { FanoutViewers } from './fanout/fanout-viewers.ts'
import { withFewerViewers } from './fanout/fewer-viewers.ts'
import { janusProgram } from './fanout/janus-process.ts'
import { openJanus } from './fanout/janus-server.ts'
import { openLanecast, sendsBatched } from './fanout/lanecast-server.ts'
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

/** CPU for a packet to a viewer: ours, bare mediasoup's and Janus's, in turns under the same load. */
export const fanout: Bench = {
  about: 'viewers of one 2.5 Mb/s stream that one worker holds, against bare mediasoup and Janus',
  async run(context) {
    const say = context.progress.say.bind(context.progress)
    const program = janusProgram()
    if (program === null) say('there is no Janus to compare with: `apt-get install janus` would add it')
    const { result, viewers, halved } = await withFewerViewers(VIEWERS, say, async (count) => ({
      simulcast: await compare('simulcast', { renditions: 2, count, janus: null }, context),
      single: await compare('single', { renditions: 1, count, janus: program }, context),
    }))
    const { simulcast, single } = result
    return {
      bench: 'fanout',
      viewers_per_core: viewersPerCore(simulcast.ours),
      bare_mediasoup_viewers_per_core: viewersPerCore(simulcast.bare),
      ratio: ratio(simulcast.ours, simulcast.bare),
      pps: rounded(1e6 / median(simulcast.ours.usPerPacket), 0),
      rss_mb: rounded(simulcast.ours.rssMb, 0),
      single_layer_viewers_per_core: viewersPerCore(single.ours),
      single_layer_bare_mediasoup_viewers_per_core: viewersPerCore(single.bare),
      single_layer_ratio: ratio(single.ours, single.bare),
      janus_viewers_per_core: single.janus && viewersPerCore(single.janus),
      janus_ratio: single.janus && ratio(single.ours, single.janus),
      janus_crypto: single.janus?.crypto ?? null,
      crypto: single.ours.crypto,
      us_per_packet: rounded(median(simulcast.ours.usPerPacket), 2),
      single_layer_us_per_packet: rounded(median(single.ours.usPerPacket), 2),
      batched: sendsBatched(),
      syscall_us: rounded(syscallUs(), 2),
      viewers,
      halved,
    }
  },
}

interface Measured {
  readonly crypto: SrtpProfile
  /** Of each round. */
  readonly usPerPacket: readonly number[]
  /** In the last round. */
  readonly rssMb: number
}

interface Compared {
  readonly ours: Measured
  readonly bare: Measured
  readonly janus: Measured | null
}

async function compare(
  name: string,
  { renditions, count, janus }: { renditions: number; count: number; janus: string | null },
  { progress }: BenchContext,
): Promise<Compared> {
  await using stack = new AsyncDisposableStack()
  const viewers = stack.use(await FanoutViewers.open())
  const open = async (side: string, server: OpenServer) => {
    progress.say(`${name}: ${count} viewers join ${side}`)
    const opened = stack.use(await FanoutSide.open(side, server, renditions))
    await opened.join(viewers, count)
    return opened
  }
  const ours = await open('ours', openLanecast)
  const bare = await open('bare mediasoup', openBareMediasoup)
  const other = janus === null ? null : await open('janus', openJanus(janus))
  const sides = [ours, bare, ...(other ? [other] : [])]
  for (const side of sides) await side.play(FIRST_SETTLE_MS, 0)
  const windows = new Map<FanoutSide, Window[]>(sides.map((side) => [side, []]))
  for (let round = 0; round < ROUNDS; round += 1) {
    progress.say(`${name}: round ${round + 1} of ${ROUNDS}`)
    // A later side finds a warmer machine, so the sides take turns.
    const first = round % sides.length
    for (const side of [...sides.slice(first), ...sides.slice(0, first)])
      windows.get(side)!.push(await side.measure(SETTLE_MS, WINDOW_MS))
  }
  const measured = (side: FanoutSide): Measured => ({
    crypto: side.crypto,
    usPerPacket: windows.get(side)!.map(({ usPerPacket }) => usPerPacket),
    rssMb: windows.get(side)!.at(-1)!.rssMb,
  })
  return { ours: measured(ours), bare: measured(bare), janus: other && measured(other) }
}

const median = (values: readonly number[]): number => percentile(values, 0.5)
const viewersPerCore = ({ usPerPacket }: Measured): number =>
  rounded(1e6 / median(usPerPacket) / PACKETS_PER_SECOND, 0)
/** How many more viewers ours holds than another side: the middle round. */
const ratio = (ours: Measured, other: Measured): number =>
  rounded(median(ours.usPerPacket.map((own, round) => other.usPerPacket[round]! / own)), 2)
