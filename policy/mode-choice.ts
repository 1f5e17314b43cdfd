import type { Mode } from '../common/wire/ids.ts'

export interface ModeFacts {
  /** Determinism is demanded, and the path offers it. */
  readonly deterministic: boolean
  /** A network segment that both ends are on, or null. */
  readonly sharedSegment: string | null
  /** Links between the end outside and the hub or edge to which that end speaks. */
  readonly hopsOutside: number
  /** Why media goes through a relay, in words; null where it goes directly. */
  readonly relayed: string | null
  /** Why links of a field sender take a detour, in words; null where none does. */
  readonly detour: string | null
  /** The end outside says that it moves. */
  readonly moving: boolean
  /** Links of the bond, and how many of them are cellular, satellite or Wi-Fi. */
  readonly links: number
  readonly wirelessLinks: number
  /** The flow left a path that no longer carried anything. */
  readonly fledDeadPath: boolean
}

export interface ModeChoice {
  readonly mode: Mode
  readonly reason: string
}

/**
 * Names the kind of way that the flow takes. The path itself is chosen already. A flow that goes straight over networks of
 * others is `roaming`: nothing relays it, and the hub follows either end to another address.
 */
export function chooseMode(facts: ModeFacts): ModeChoice {
  if (facts.deterministic) {
    return { mode: 'deterministic-wired', reason: 'every link is wired with TSN, every node has PTP' }
  }
  if (facts.relayed !== null) return { mode: 'overlay-relay', reason: facts.relayed }
  if (facts.detour !== null) return { mode: 'overlay-relay', reason: facts.detour }
  if (facts.fledDeadPath)
    return { mode: 'roaming', reason: 'the flow left a path that carried nothing any more' }
  if (facts.moving) return { mode: 'roaming', reason: 'the sender moves' }
  if (facts.hopsOutside > 1) {
    const between = facts.hopsOutside - 1
    const nodes = between === 1 ? 'a node' : `${between} nodes`
    return { mode: 'overlay-relay', reason: `media passes ${nodes} of the overlay on its way` }
  }
  if (facts.sharedSegment !== null)
    return { mode: 'lan-direct', reason: `both ends are on segment "${facts.sharedSegment}"` }
  if (facts.links > 1 && facts.wirelessLinks > 0) {
    return {
      mode: 'roaming',
      reason: `${facts.wirelessLinks} of ${facts.links} links are wireless and may come and go`,
    }
  }
  return {
    mode: 'roaming',
    reason: 'media goes directly, over networks that the ends do not share, and follows a change of address',
  }
}
