import { heldRttMs } from '../evidence.ts'
import { freshness, type LinkStanding, standingOf } from '../health.ts'
import type { GraphLink } from './graph.ts'

/** A link as a cost strategy sees it: its measurements, corrected by their age and by the link's standing. */
export interface LinkView {
  standing: LinkStanding
  /** How far the numbers are measured: 1 (measured) to 0 (assumed). */
  weight: number
  /** Round trip, ms. A recent peak counts, so that a swinging link is not judged by its better half. */
  rttMs: number
  jitterMs: number
  /** 0 to 1. */
  loss: number
  /** Time a packet spends in the sender's queue, ms. */
  queueMs: number
  /** How much more the link can carry, kb/s. */
  residualKbps: number
  /** Recent failures. */
  breaks: number
}

/** Assumptions where nobody measured a link lately: worse than most links. */
export const ASSUMED = { rttMs: 100, jitterMs: 20, loss: 0.02, capacityKbps: 10_000 } as const

/** Bytes of one full packet of RTP or RIST, for the time a queue takes to drain. */
const PACKET_BYTES = 1316

export function newLinkView(): LinkView {
  return {
    standing: 'unproven',
    weight: 0,
    rttMs: 0,
    jitterMs: 0,
    loss: 0,
    queueMs: 0,
    residualKbps: 0,
    breaks: 0,
  }
}

/**
 * Reads a link into `view`. As a measurement ages, the worse of measurement and assumption takes over. So an old good
 * figure never makes a link look good, and an old bad figure still makes a link look bad.
 */
export function readLink(link: GraphLink, nowMs: number, view: LinkView): LinkView {
  const { metrics, evidence, facts } = link
  const standing = standingOf(evidence, nowMs)
  view.standing = standing
  view.breaks = evidence.breaks
  const capacity = facts.capacityKbps ?? ASSUMED.capacityKbps
  if (metrics === null) {
    view.weight = 0
    view.rttMs = ASSUMED.rttMs
    view.jitterMs = ASSUMED.jitterMs
    view.loss = ASSUMED.loss
    view.queueMs = 0
    view.residualKbps = capacity
    return view
  }
  // A link that delivers nothing may answer pings quickly, but media would not see such numbers.
  const weight = standing === 'serving' ? freshness(metrics.at, nowMs) : 0
  view.weight = weight
  view.rttMs = aged(heldRttMs(evidence, metrics.rttMs, nowMs), ASSUMED.rttMs, weight)
  view.jitterMs = aged(metrics.jitterMs, ASSUMED.jitterMs, weight)
  view.loss = aged(metrics.loss, ASSUMED.loss, weight)
  view.queueMs =
    metrics.bitrateKbps > 0
      ? weight * Math.min(1000, (metrics.queueDepth * PACKET_BYTES * 8) / metrics.bitrateKbps)
      : 0
  view.residualKbps = Math.max(0, capacity - metrics.bitrateKbps * weight)
  return view
}

function aged(measured: number, assumed: number, weight: number): number {
  return weight * measured + (1 - weight) * Math.max(measured, assumed)
}
