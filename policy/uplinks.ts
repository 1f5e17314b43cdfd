import type { Binding } from '../common/wire/flow-contract.ts'
import type { UplinkUse } from '../common/wire/policy-document.ts'
import type { LinkStanding } from './health.ts'
import type { PortTiming } from './paths/graph.ts'
import { ASSUMED } from './paths/link-view.ts'

/** One of a sender's own links that leads to the chosen hub or edge. */
export interface Uplink {
  readonly linkId: string
  /** The node it is dialled at. */
  readonly nodeId: string
  readonly standing: LinkStanding
  /** By the strategy of the class. */
  readonly cost: number
  readonly rttMs: number
  /** The RTT was measured lately, not assumed. */
  readonly measured: boolean
  /** 0 to 1. */
  readonly loss: number
  /** How far its numbers are measured, 0 to 1. */
  readonly weight: number
  /** What it can carry for this flow, kb/s; null where nobody knows. */
  readonly kbps: number | null
  /** Cellular, satellite or Wi-Fi: it may come and go. */
  readonly wireless: boolean
  /** Part of the bond now. */
  readonly bound: boolean
  /** What the sender tells of the link's port. */
  readonly timing?: PortTiming | null
}

export interface UplinkChoice {
  readonly used: readonly Uplink[]
  readonly bindings: readonly Binding[]
  /** Not used now, the best first: a reroute may take them. */
  readonly spare: readonly string[]
  /** Left out for now, to be probed. */
  readonly probe: readonly string[]
  readonly reasons: readonly string[]
}

/** Links that carry copies. */
const COPIES = 2
/** How much cheaper a link outside the bond must be to take a place in it. */
const PLACE_MARGIN = 0.8
/** A retransmission takes one round trip and a little. */
const RETRANSMISSION_RTTS = 1.2
/** A link this much slower than the best one is being throttled or queues, ms. */
const SLOW_BY_MS = 120
/** Links worth less than this, in per cent of the best, are left out: librist's scheduler skips packets over them. */
const LEAST_SHARE = 5

/**
 * Which of a sender's links carry the flow, and how: copies of everything on the two best, or shares of it on all
 * that are in health. Links that have not proven themselves serve only where no other does.
 * @param mayChange false holds the places of links that are bound and still deliver
 */
export function chooseUplinks(
  uplinks: readonly Uplink[],
  use: UplinkUse,
  bufferMaxMs: number,
  mayChange: boolean,
): UplinkChoice {
  const reasons: string[] = []
  const serving = uplinks.filter(({ standing }) => standing === 'serving')
  const trusted = serving.length > 0 ? serving : uplinks
  const probe = uplinks.filter((uplink) => !trusted.includes(uplink)).map(({ linkId }) => linkId)
  if (probe.length > 0) reasons.push(`probed before media is trusted to them: ${probe.join(', ')}`)

  const inTime = trusted.filter(({ rttMs }) => rttMs * RETRANSMISSION_RTTS <= bufferMaxMs)
  const fit = inTime.length > 0 ? inTime : trusted
  for (const { linkId, rttMs } of trusted.filter((uplink) => !fit.includes(uplink))) {
    const words = `RTT ${Math.round(rttMs)} ms leaves no time to resend within a buffer of ${bufferMaxMs} ms`
    reasons.push(`link ${linkId} left out: ${words}`)
  }

  const ranked = [...fit].sort(
    (a, b) => rank(a, mayChange) - rank(b, mayChange) || (a.linkId < b.linkId ? -1 : 1),
  )
  const used = use === 'duplicate' ? ranked.slice(0, COPIES) : worthSharing(ranked, use)
  const spare = [...ranked, ...uplinks.filter((uplink) => !ranked.includes(uplink))]
    .filter((uplink) => !used.includes(uplink))
    .map(({ linkId }) => linkId)
  return { used, bindings: bind(used, use), spare, probe, reasons: [...reasons, ...describe(used, use)] }
}

function rank({ cost, bound }: Uplink, mayChange: boolean): number {
  if (!bound) return cost
  return mayChange ? cost * PLACE_MARGIN : Number.NEGATIVE_INFINITY
}

/** What each link is good for, in per cent of the best one. */
function shares(links: readonly Uplink[], use: UplinkUse): number[] {
  const quickest = Math.min(...links.map(({ rttMs }) => rttMs))
  const worths = links.map(({ rttMs, loss, weight, kbps }) => {
    if (use === 'share-by-capacity') return (kbps ?? ASSUMED.capacityKbps) * (1 - loss)
    return (1 - loss) * (rttMs > quickest + SLOW_BY_MS ? 0.5 : 1) * (0.5 + weight / 2)
  })
  const best = Math.max(...worths, Number.MIN_VALUE)
  return worths.map((worth) => Math.round((100 * worth) / best))
}

function worthSharing(links: readonly Uplink[], use: UplinkUse): Uplink[] {
  const ofBest = shares(links, use)
  return links.filter((_, index) => ofBest[index]! >= LEAST_SHARE)
}

function bind(used: readonly Uplink[], use: UplinkUse): Binding[] {
  const ofBest = shares(used, use)
  const copies = use === 'duplicate' && used.length > 1
  return used.map(({ linkId, nodeId }, index) => ({
    link_id: linkId,
    node_id: nodeId,
    weight: copies ? 0 : Math.max(LEAST_SHARE, ofBest[index]!),
  }))
}

function describe(used: readonly Uplink[], use: UplinkUse): string[] {
  const names = used.map(({ linkId, rttMs }) => `${linkId} (RTT ${Math.round(rttMs)} ms)`).join(', ')
  if (used.length <= 1) return used.length === 0 ? [] : [`one link: ${names}`]
  const words = {
    duplicate: 'every packet on both',
    'share-by-health': 'packets shared by measured health',
    'share-by-capacity': 'packets shared by capacity',
  }
  return [`links ${names}: ${words[use]}`]
}

/** What the bond as a whole is like: what its buffer must wait for, and what it carries (null: nobody knows). */
export function bondOf(used: readonly Uplink[], use: UplinkUse) {
  const rtts = used.map(({ rttMs }) => rttMs)
  const losses = used.map(({ loss }) => loss)
  const rates = used.flatMap(({ kbps }) => kbps ?? [])
  // With copies the better link alone will do; with shares the packets of the slowest must be waited for.
  if (use === 'duplicate') {
    const kbps = rates.length === 0 ? null : Math.min(...rates)
    return { rttMs: Math.min(...rtts), loss: Math.min(...losses), kbps }
  }
  const kbps = rates.length < used.length ? null : rates.reduce((sum, rate) => sum + rate, 0)
  return { rttMs: Math.max(...rtts), loss: Math.max(...losses), kbps }
}
