import type { NodeReport } from '../../../common/wire/node-report.ts'
import type { PtpState } from './ptp-watch.ts'
import type { Timestamping } from './timestamping.ts'

export type TimingFact = NonNullable<NodeReport['timing']>[number]

/** Sends packets at the time that they carry, and as a root drops those that carry none. */
const BY_TIME = 'etf'
/** Gives each class of traffic its time. */
const BY_SCHEDULE = 'taprio'
/** Keeps a rate for each socket. */
const BY_RATE = 'fq'
/** Roots that only spread packets over a card's queues, each of which has a queueing discipline of its own. */
const SPREADING = new Set(['mq', 'mqprio'])

/**
 * The timing of an interface.
 * @param qdiscs kinds of its queueing disciplines, the root first
 * @param ptp null where no PTP runs on it
 */
export function timingOf(
  name: string,
  timestamping: Timestamping,
  qdiscs: readonly string[],
  ptp: PtpState | null,
): TimingFact {
  return {
    interface: name,
    ptp_device: timestamping.clock,
    hardware_timestamps: timestamping.hardware,
    synchronised: ptp?.synchronised ?? false,
    offset_ns: ptp?.offsetNs ?? null,
    qdisc: qdiscs[0] ?? null,
    pacing: pacingOf(qdiscs),
  }
}

/** A rate counts only where every queue keeps it. A root of etf takes nothing of what a sender without times sends. */
function pacingOf(qdiscs: readonly string[]): TimingFact['pacing'] {
  const [root] = qdiscs
  if (root === BY_TIME) return 'agent'
  if (root === BY_SCHEDULE || qdiscs.includes(BY_TIME)) return 'txtime'
  const queues = qdiscs.filter((kind) => !SPREADING.has(kind))
  return queues.length > 0 && queues.every((kind) => kind === BY_RATE) ? 'fq' : 'agent'
}
