/** One report about a link, from either of its ends. Times are Unix milliseconds. */
export interface LinkObservation {
  readonly at: number
  readonly rttMs: number
  readonly jitterMs: number
  /** Share of packets lost, 0 to 1. */
  readonly loss: number
  readonly bitrateKbps: number
  /** Packets that wait to be sent. */
  readonly queueDepth: number
  /** Packets given to the link since the last report; null where the reporter does not know. */
  readonly sentPackets: number | null
  /** Packets since the last report that are known to have reached the other end; null where nobody knows. */
  readonly deliveredPackets: number | null
}

/** What the hub remembers of a link's reports: enough to tell a good link from a link that only looks good. */
export interface LinkEvidence {
  /** Newest report, whatever it says. */
  readonly measuredAt: number | null
  /** Newest proof that packets arrived. An answered ping is none. */
  readonly deliveredAt: number | null
  /** Newest proof that packets were sent and did not arrive. */
  readonly failedAt: number | null
  /** Start of the present unbroken run of proofs, and their number; 0 while there is no run. */
  readonly runSince: number | null
  readonly proofs: number
  /** The run is trusted with media: it was the link's first run ever, or was probed long enough. */
  readonly admitted: boolean
  /** Times the link failed, forgotten after a long good run; each doubles the next probing. */
  readonly breaks: number
  /** Highest recent RTT: a swinging link is judged by its bad side. */
  readonly rttPeakMs: number
  readonly rttPeakAt: number
}

export const NO_EVIDENCE: LinkEvidence = {
  measuredAt: null,
  deliveredAt: null,
  failedAt: null,
  runSince: null,
  proofs: 0,
  admitted: false,
  breaks: 0,
  rttPeakMs: 0,
  rttPeakAt: 0,
}

export const EVIDENCE_RULES = {
  /** Without a proof for this long a link is silent, and a later proof begins a new run, ms. */
  silentAfterMs: 15_000,
  /** A failure counts against a link for this long after the newest failure, ms. Then nothing is known of the link. */
  deadHoldMs: 10_000,
  /** How long a returning link must prove itself, ms; each remembered break doubles this time. */
  probeMs: 5000,
  probeProofs: 3,
  /** Doublings at most: 5 s becomes 160 s. */
  maxDoublings: 5,
  /** A run this long makes up for all breaks, ms. */
  forgiveAfterMs: 300_000,
  /** From this loss on, packets that arrive are no proof of a good link. */
  failingLoss: 0.5,
  /** In this time a peak of the RTT loses half of its height above the newest RTT, ms. */
  peakHalfLifeMs: 60_000,
} as const

/** Folds one report into the evidence. A report older than the newest report changes nothing. */
export function observe(evidence: LinkEvidence, report: LinkObservation): LinkEvidence {
  if (evidence.measuredAt !== null && report.at < evidence.measuredAt) return evidence
  const held = heldRttMs(evidence, report.rttMs, report.at)
  const peak =
    report.rttMs >= held
      ? { rttPeakMs: report.rttMs, rttPeakAt: report.at }
      : { rttPeakMs: evidence.rttPeakMs, rttPeakAt: evidence.rttPeakAt }
  const measured = { ...evidence, ...peak, measuredAt: report.at }
  const verdict = judge(report)
  if (verdict === 'failed') return fail(measured, report.at)
  return verdict === 'delivered' ? prove(measured, report.at) : measured
}

/** The RTT to reckon with, ms: the newest RTT, or the rest of a recent peak above it. */
export function heldRttMs(evidence: LinkEvidence, newestMs: number, nowMs: number): number {
  const above = evidence.rttPeakMs - newestMs
  if (above <= 0) return newestMs
  return newestMs + above * 0.5 ** (Math.max(0, nowMs - evidence.rttPeakAt) / EVIDENCE_RULES.peakHalfLifeMs)
}

/** How long this link's run must last before it is trusted, ms. */
export function probingMs({ breaks }: LinkEvidence): number {
  return EVIDENCE_RULES.probeMs * 2 ** Math.min(breaks, EVIDENCE_RULES.maxDoublings)
}

function judge({ loss, sentPackets, deliveredPackets }: LinkObservation): 'delivered' | 'failed' | 'unknown' {
  if (loss >= EVIDENCE_RULES.failingLoss) return 'failed'
  if (deliveredPackets === null) return 'unknown'
  if (deliveredPackets > 0) return 'delivered'
  return sentPackets !== null && sentPackets > 0 ? 'failed' : 'unknown'
}

function fail(evidence: LinkEvidence, at: number): LinkEvidence {
  const breaks = evidence.proofs > 0 ? evidence.breaks + 1 : evidence.breaks
  return { ...evidence, failedAt: at, runSince: null, proofs: 0, admitted: false, breaks }
}

function prove(evidence: LinkEvidence, at: number): LinkEvidence {
  const known = evidence.deliveredAt !== null || evidence.failedAt !== null
  const goesOn =
    evidence.runSince !== null &&
    evidence.deliveredAt !== null &&
    at - evidence.deliveredAt <= EVIDENCE_RULES.silentAfterMs
  const runSince = goesOn ? evidence.runSince : at
  const proofs = goesOn ? evidence.proofs + 1 : 1
  const ran = at - (runSince ?? at)
  const probed = proofs >= EVIDENCE_RULES.probeProofs && ran >= probingMs(evidence)
  return {
    ...evidence,
    deliveredAt: at,
    runSince,
    proofs,
    admitted: !known || (goesOn && evidence.admitted) || probed,
    breaks: ran >= EVIDENCE_RULES.forgiveAfterMs ? 0 : evidence.breaks,
  }
}
