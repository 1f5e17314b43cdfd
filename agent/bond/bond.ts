import { bitrateStep } from './bond-bitrate.ts'
import type { BondTerms } from './bond-terms.ts'
import { carriersOf, copies, shares, type WeighedLink } from './bond-weights.ts'
import { failedTrial, given, type LinkCapacity, measure, newCapacity, returned } from './link-capacity.ts'
import {
  evidenceOf,
  follow,
  type LinkArrivals,
  type LinkEvidence,
  type LinkFacts,
  type LinkTrail,
  noTrail,
} from './link-evidence.ts'
import { judge, type LinkTrust, newTrust } from './link-trust.ts'
import { encoderKbps, nothingShed, type Shedding, shed } from './rendition-shedding.ts'

/** What happened since the last step. */
export interface BondFacts {
  readonly links: readonly LinkFacts[]
  /** The hub's word of what has arrived by its clock; null where it said nothing since the last step. */
  readonly arrivals: { readonly hubMs: number; readonly links: readonly LinkArrivals[] } | null
  /** Mean length of a datagram on the wire, bytes. */
  readonly datagramBytes: number
}

interface BondLink {
  readonly link: number
  readonly trail: LinkTrail
  readonly trust: LinkTrust
  readonly capacity: LinkCapacity
}

export interface BondState {
  readonly atMs: number
  readonly links: readonly BondLink[]
  /** The bitrate that the bond has had without a queue that drains, kb/s of media. */
  readonly provenKbps: number
  readonly shedding: Shedding
  readonly weights: ReadonlyMap<number, number>
  readonly weighedAtMs: number
}

/** How a link goes, for people. */
export interface LinkView {
  readonly link: number
  readonly trust: LinkTrust
  readonly evidence: LinkEvidence
  readonly allowedKbps: number
  readonly sentKbps: number
}

export interface BondStep {
  readonly state: BondState
  /** librist's weights by link: 0 for a copy of every packet, else the link's share. The same map until they change. */
  readonly weights: ReadonlyMap<number, number>
  /** Media, kb/s: what all that is sent may take together. */
  readonly targetKbps: number
  /** What to ask of an encoder that splits its bitrate over all renditions, kb/s. */
  readonly encoderKbps: number
  /** The rate at which bursts may leave, on all paths together where they share, kb/s on the wire. */
  readonly paceKbps: number
  /** By rendition, ascending: whether it is sent. */
  readonly wanted: readonly boolean[]
  readonly links: readonly LinkView[]
}

/** Of what a link carries, media's part: the rest is headers (RTP, GRE, UDP, IP) and reports. */
const MEDIA_SHARE = 0.93
/** The part of the measured capacity that is used: the rest takes repairs and bursts. Who copies has no time for repairs. */
const USED_SHARE = { share: 0.92, copies: 0.8 } as const
/** Weights that differ by a smaller share from those that hold are not changed. */
const WORTH_A_CHANGE = 0.15
/** While queues drain that a cut was made for, this part of what is carried is used. */
const DRAIN_SHARE = 0.8
/** Changes of shares, without a change of phases, are this far apart, ms. */
const WEIGH_EVERY_MS = 300
/** A second copy over a link with less than this share of the best link's capacity does not hold the bitrate down. */
const EQUAL_ENOUGH = 0.5
/** A pause of all links together that is shorter than this is nobody's fault, ms. */
const PAUSES_MS = 1000
/**
 * Bursts leave at so many times the rate that the links are taken to carry: keyframes wait here and not in their queues,
 * and so does what an encoder makes that has not followed yet.
 */
const PACE = { calm: 1.1, draining: 0.9 } as const
const GOOD = { queueMs: 50, loss: 0.02 }

export function newBond(terms: BondTerms, nowMs: number): BondState {
  const wire = terms.kbps.start / MEDIA_SHARE / USED_SHARE[terms.use]
  const each = terms.use === 'copies' ? wire : wire / Math.max(1, terms.links.length)
  return {
    atMs: nowMs,
    links: terms.links.map((link) => newLink(link, each, nowMs)),
    provenKbps: terms.kbps.start,
    shedding: nothingShed(terms.pixels.length),
    weights: new Map(),
    weighedAtMs: 0,
  }
}

/** The bond under other terms: links that stay keep what is known of them. */
export function changeTerms(state: BondState, terms: BondTerms, nowMs: number): BondState {
  const each = Math.max(0, ...state.links.map(({ capacity }) => capacity.allowedKbps))
  return {
    ...state,
    links: terms.links.map(
      (link) => state.links.find((known) => known.link === link) ?? newLink(link, each / 2, nowMs),
    ),
    shedding: state.shedding.sent > terms.pixels.length ? nothingShed(terms.pixels.length) : state.shedding,
    weights: new Map(),
  }
}

/** One step of a bond, some times a second. Pure. */
export function bondStep(before: BondState, terms: BondTerms, facts: BondFacts, nowMs: number): BondStep {
  const stepMs = Math.max(1, nowMs - before.atMs)
  const kbit = (facts.datagramBytes * 8) / 1000
  const isHubAway = isSilentAtOnce(before, facts)
  const views = before.links.map((link) => stepLink(link, before, terms, facts, isHubAway, nowMs))
  const weighed = views.map(({ next, evidence }) => weigh(next, evidence, before.weights, nowMs))
  const whole = mediaCapacity(
    weighed.map((link) => ({ ...link, drains: false })),
    terms.use,
  )
  const provenKbps = bitrateStep(before.provenKbps, whole, terms.kbps, stepMs)
  // While a queue drains less is sent, and after that as much as before.
  const drains = views.some(
    ({ next: { trust, capacity } }) => trust.phase === 'carrying' && nowMs < capacity.relievedUntilMs,
  )
  const flowing = mediaCapacity(weighed, terms.use) * (drains ? DRAIN_SHARE : 1)
  const targetKbps = Math.min(provenKbps, Math.max(terms.kbps.min, flowing))
  const shedding = shed(before.shedding, targetKbps, terms, nowMs)
  const neededKbps = targetKbps / MEDIA_SHARE
  const next = terms.use === 'copies' ? copies(weighed, neededKbps) : shares(weighed)
  const changed = views.some(({ next: { trust } }, index) => trust.phase !== before.links[index]!.trust.phase)
  const due = changed || nowMs - before.weighedAtMs >= WEIGH_EVERY_MS
  const reweighs = due && isWorthIt(before.weights, next)
  const weights = reweighs ? next : before.weights
  const partOf = (map: ReadonlyMap<number, number>, link: number) => map.get(link) || 100
  return {
    state: {
      atMs: nowMs,
      links: views.map(({ next: link, evidence }) =>
        reweighs && before.weights.size > 0
          ? {
              ...link,
              capacity: given(
                link.capacity,
                partOf(before.weights, link.link),
                partOf(next, link.link),
                evidence.rttMs,
                nowMs,
              ),
            }
          : link,
      ),
      provenKbps,
      shedding,
      weights,
      weighedAtMs: reweighs ? nowMs : before.weighedAtMs,
    },
    weights,
    targetKbps: Math.round(targetKbps),
    paceKbps: Math.round(
      (mediaCapacity(weighed, terms.use) / MEDIA_SHARE / USED_SHARE[terms.use]) *
        (drains ? PACE.draining : PACE.calm),
    ),
    encoderKbps: encoderKbps(targetKbps, shedding.sent, terms.pixels, terms.soundKbps),
    wanted: terms.pixels.map((_, index) => index < shedding.sent),
    links: views.map(({ next: { link, trust, capacity }, evidence }) => ({
      link,
      trust,
      evidence,
      allowedKbps: Math.round(capacity.allowedKbps),
      sentKbps: Math.round(evidence.sentRate * kbit),
    })),
  }
}

const newLink = (link: number, allowedKbps: number, nowMs: number): BondLink => ({
  link,
  trail: noTrail(nowMs),
  trust: newTrust(nowMs),
  capacity: newCapacity(allowedKbps, nowMs),
})

function stepLink(
  before: BondLink,
  { atMs, links: all }: BondState,
  { bufferMs, kbps, use }: BondTerms,
  { links, arrivals, datagramBytes }: BondFacts,
  isHubAway: boolean,
  nowMs: number,
): { readonly next: BondLink; readonly evidence: LinkEvidence } {
  const { link } = before
  const stepMs = Math.max(1, nowMs - atMs)
  const told = links.find((each) => each.link === link)
  const packets = arrivals?.links.find((each) => each.link === link)?.packets
  const news = arrivals && packets !== undefined ? { packets, hubMs: arrivals.hubMs } : null
  const trail = told ? follow(before.trail, told, news, stepMs, nowMs) : before.trail
  const evidence = evidenceOf(trail, nowMs)
  const trust = isHubAway ? before.trust : judge(before.trust, evidence, bufferMs, nowMs)
  const terms = {
    kbit: (datagramBytes * 8) / 1000,
    mostKbps: (kbps.max / MEDIA_SHARE / USED_SHARE[use]) * 1.1,
    bufferMs,
    stepMs,
  }
  // Where none is trusted those that are least suspect carry all the same.
  const noneCarries = all.every(({ trust: { phase } }) => phase !== 'carrying')
  const isTried = before.trust.phase === 'trial'
  const capacity =
    isTried && trust.phase === 'carrying'
      ? returned(before.capacity, nowMs)
      : isTried && trust.phase === 'resting'
        ? failedTrial(before.capacity)
        : trust.phase === 'carrying' || noneCarries
          ? measure(before.capacity, evidence, terms, nowMs)
          : before.capacity
  return { next: { link, trail, trust, capacity }, evidence }
}

/**
 * Whether all links have fallen silent together, and not for long: the hub or this machine pauses. That says nothing
 * against any link.
 */
function isSilentAtOnce({ links, atMs }: BondState, facts: BondFacts): boolean {
  return (
    links.length > 1 &&
    links.every(({ link, trail }) => {
      const heard = facts.links.find((told) => told.link === link)?.heard ?? 0
      return heard <= trail.heard && trail.deafMs > 0 && trail.deafMs < PAUSES_MS && atMs > 0
    })
  )
}

function weigh(
  { link, trust, capacity }: BondLink,
  { rttMs, queueMs, usualLoss }: LinkEvidence,
  weights: ReadonlyMap<number, number>,
  nowMs: number,
): WeighedLink {
  return {
    link,
    phase: trust.phase,
    allowedKbps: capacity.allowedKbps,
    drains: nowMs < capacity.drainsUntilMs,
    rttMs,
    good: trust.breaks === 0 && queueMs < GOOD.queueMs && usualLoss < GOOD.loss,
    copies: weights.get(link) === 0,
  }
}

/** What the links that carry can take of media, kb/s. */
function mediaCapacity(links: readonly WeighedLink[], use: BondTerms['use']): number {
  const carrying = carriersOf(links).map(({ allowedKbps }) => allowedKbps)
  const wire = use === 'share' ? carrying.reduce((sum, kbps) => sum + kbps, 0) : ofCopies(carrying)
  return wire * MEDIA_SHARE * USED_SHARE[use]
}

function ofCopies(carrying: readonly number[]): number {
  const [first = 0, second = first] = carrying.toSorted((a, b) => b - a)
  return second >= first * EQUAL_ENOUGH ? second : first
}

/** librist loses count for a moment whenever a weight changes. */
function isWorthIt(before: ReadonlyMap<number, number>, next: ReadonlyMap<number, number>): boolean {
  if (before.size !== next.size) return true
  for (const [link, weight] of next) {
    const held = before.get(link)
    if (held === undefined || (held === 0) !== (weight === 0)) return true
    if ((held === 1) !== (weight === 1)) return true
    if (Math.abs(weight - held) > Math.max(1, held * WORTH_A_CHANGE)) return true
  }
  return false
}
