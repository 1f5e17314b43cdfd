import type { LinkPhase } from './link-trust.ts'

/** A link as the weights see it. */
export interface WeighedLink {
  readonly link: number
  readonly phase: LinkPhase
  /** What the link may have now, kb/s on the wire. */
  readonly allowedKbps: number
  /** Whether the link's queue is left to drain. */
  readonly drains: boolean
  /** Round trip, ms; null where nobody knows. */
  readonly rttMs: number | null
  /** Whether the link has lost little, queued little and not broken for a while. */
  readonly good: boolean
  /** Whether the link has a copy of everything now. */
  readonly copies: boolean
}

/** librist's weight of a link that has a copy of every packet. */
export const COPIES = 0
/** Sum of the shares. librist schedules in rounds of this many packets, so it is not more; one is the least share. */
const ROUND = 60
const TRICKLE = 1
/** Share of a link on trial: half of what it is taken to carry, within these bounds. */
const TRIAL = { least: 3, most: 8, part: 0.5 }
/** A round trip of a link that is not used must be better by this much to change places with a link that is, ms. */
const BETTER_BY_MS = 20

/**
 * Everybody's share of the packets, by capacity. A link that nothing may depend on has the least share, which shows
 * whether it lives.
 */
export function shares(links: readonly WeighedLink[]): Map<number, number> {
  const carrying = carriersOf(links)
  if (links.length === 1) return new Map([[links[0]!.link, COPIES]])
  const total = carrying.reduce((sum, { allowedKbps }) => sum + allowedKbps, 0)
  return new Map(
    links.map((link) => {
      if (carrying.includes(link))
        return [link.link, Math.max(TRICKLE, Math.round((ROUND * link.allowedKbps) / total))]
      return [link.link, link.phase === 'trial' ? trialShare(link.allowedKbps, total) : TRICKLE]
    }),
  )
}

const trialShare = (allowedKbps: number, totalKbps: number): number =>
  Math.min(TRIAL.most, Math.max(TRIAL.least, Math.round((ROUND * TRIAL.part * allowedKbps) / totalKbps)))

/**
 * Copies of every packet over the two best links, or three where none of them is good. librist sends a packet over all
 * links of weight 0 and over one of the others. So the last of the best has nearly all of the shares, and what the others
 * have is a copy, too.
 */
export function copies(links: readonly WeighedLink[], neededKbps: number): Map<number, number> {
  const carrying = carriersOf(links).toSorted((a, b) => rank(a, neededKbps) - rank(b, neededKbps))
  const best = carrying.slice(0, 2)
  const used = best.some(({ good }) => good) ? best : carrying.slice(0, 3)
  const rest = links.filter((link) => !used.includes(link))
  const weights = new Map(used.map(({ link }) => [link, COPIES]))
  if (rest.length === 0) return weights
  const last = used.at(-1)
  if (last && used.length > 1) weights.set(last.link, ROUND)
  for (const { link, phase } of rest) weights.set(link, phase === 'trial' ? TRIAL.most : TRICKLE)
  return weights
}

/** The links that carry. Where none may, those that are least suspect do: the stream must go somewhere. */
export function carriersOf(links: readonly WeighedLink[]): readonly WeighedLink[] {
  for (const phases of [['carrying'], ['trial', 'resting'], ['paused']] as const) {
    const able = links.filter(({ phase }) => (phases as readonly LinkPhase[]).includes(phase))
    const flowing = able.filter(({ drains }) => !drains)
    if (flowing.length > 0) return flowing
    if (able.length > 0) return able
  }
  return links
}

/** Lower is better: first links that can carry everything, then by round trip. */
function rank({ allowedKbps, rttMs, good, copies: isUsed }: WeighedLink, neededKbps: number): number {
  const tooSmall = allowedKbps < neededKbps ? 10_000 - (5000 * allowedKbps) / neededKbps : 0
  return tooSmall + (good ? 0 : 1000) + (rttMs ?? 500) - (isUsed ? BETTER_BY_MS : 0)
}
