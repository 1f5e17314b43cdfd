import { z } from 'zod'

/** One link of a stream, over the last second. */
export interface LinkStats {
  /** UDP port at which the link arrives; it names the link. */
  readonly port: number
  /** The sender's name for the link, where that is known. */
  readonly cname: string | undefined
  /** Whether packets arrived in the last second. */
  readonly alive: boolean
  /** Round trip in ms; librist 0.2.7 wraps it at 1000. */
  readonly rttMs: number
  readonly bitrateKbps: number
  /** Packets that arrived, duplicates of other links included. */
  readonly received: number
  /** Reports of the sender's librist that arrived. */
  readonly reports: number
}

/** One stream, over the last second. */
export interface FlowStats {
  readonly flowId: number
  /** Delivered packets in per cent of those that should have been delivered, 0 to 100. */
  readonly quality: number
  /** Packets handed on, in order. */
  readonly received: number
  /** Packets that arrived by retransmission. */
  readonly recovered: number
  /** Packets that never came in time. */
  readonly lost: number
  /** Packets that came after their time. */
  readonly late: number
  readonly links: readonly LinkStats[]
}

const count = z.number().nonnegative().catch(0)

/** The JSON of librist's receiver statistics. 0.2.7 and 0.2.11 agree on these fields. */
const receiverStats = z.object({
  'receiver-stats': z.object({
    flowinstant: z.object({
      flow_id: z.number(),
      dead: z.number().catch(0),
      stats: z.object({ recovered_total: count, lost: count, dropped_late: count }),
      peers: z.array(
        z.object({
          id: z.number(),
          dead: z.number().catch(0),
          stats: z.object({
            received_data: count.optional(),
            received_rtcp: count.optional(),
            received: count.optional(),
            rtt: count,
            avg_rtt: count.optional(),
            bitrate: count,
          }),
        }),
      ),
    }),
  }),
})

export interface RawFlowStats {
  readonly flowId: number
  readonly recovered: number
  readonly lost: number
  readonly late: number
  readonly peers: readonly {
    readonly id: number
    readonly received: number
    readonly reports: number
    readonly rttMs: number
    readonly bitrateKbps: number
  }[]
}

/** Reads librist's statistics text; undefined for an unknown form. */
export function parseReceiverStats(text: string): RawFlowStats | undefined {
  const parsed = receiverStats.safeParse(parseJson(text))
  if (!parsed.success) return undefined
  const flow = parsed.data['receiver-stats'].flowinstant
  return {
    flowId: flow.flow_id,
    recovered: flow.stats.recovered_total,
    lost: flow.stats.lost,
    late: flow.stats.dropped_late,
    peers: flow.peers.map((peer) => ({
      id: peer.id,
      received: peer.stats.received_data ?? peer.stats.received ?? 0,
      reports: peer.stats.received_rtcp ?? 0,
      rttMs: peer.stats.rtt,
      bitrateKbps: Math.round(peer.stats.bitrate / 1000),
    })),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
