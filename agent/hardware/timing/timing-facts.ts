import type { NodeReport } from '../../../common/wire/node-report.ts'
import type { PtpState } from './ptp-watch.ts'
import type { Timestamping } from './timestamping.ts'

export type TimingFact = NonNullable<NodeReport['timing']>[number]

/** What the kernel paces by itself, and when: packets that carry their time of departure, or a rate for each socket. */
const BY_TIME = new Set(['etf', 'taprio'])
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

/** A rate counts only where every queue keeps it. */
function pacingOf(qdiscs: readonly string[]): TimingFact['pacing'] {
  if (qdiscs.some((kind) => BY_TIME.has(kind))) return 'txtime'
  const queues = qdiscs.filter((kind) => !SPREADING.has(kind))
  return queues.length > 0 && queues.every((kind) => kind === BY_RATE) ? 'fq' : 'agent'
}
