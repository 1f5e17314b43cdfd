import { heldRttMs } from '../evidence.ts'
import { freshness, type LinkStanding, standingOf } from '../health.ts'
import type { GraphLink } from './graph.ts'

/** A link as a cost strategy sees it: measurements after their age and the link's standing have had their say. */
export interface LinkView {
  standing: LinkStanding
  /** How far the numbers are measured, 1 to 0; the rest is assumption. */
  weight: number
  /** Round trip, ms: a recent peak counts, so a swinging link is not taken for its better half. */
  rttMs: number
  jitterMs: number
  /** 0 to 1. */
  loss: number
  /** Time a packet spends in the sender's queue, ms. */
  queueMs: number
  /** What more the link can carry, kb/s. */
  residualKbps: number
  /** Recent failures. */
  breaks: number
}

/** What is assumed of a link as far as nobody measured it lately: worse than most links are. */
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
 * Reads a link into `view`. As a measurement ages, the worse of it and the assumption takes over: an old good
 * figure never makes a link look good, an old bad one still makes it look bad.
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
  // A link that delivers nothing may answer pings quickly: its numbers are not those media would see.
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
