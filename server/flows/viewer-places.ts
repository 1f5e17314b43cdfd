/** The holder of a place: the subject of a token, or an address, which many may share. */
export interface PlaceHolder {
  /** The holder has no token. */
  readonly anonymous: boolean
  /** The owner of the token (`ownerOf`), or the address as `addressKey` returns it. */
  readonly name: string
}

/** A contract's place among those of its tenant and of its stream. */
export interface Place {
  readonly contractId: string
  readonly tenantId: string
  readonly streamId: string
  readonly holder: PlaceHolder
}

/** Who asks for a place, and where. */
export type Seeker = Omit<Place, 'contractId'>

/** Places that would stay, if a seeker got one more. Unused places give way. */
export interface PlacesTaken {
  readonly viewers: number
  readonly viewersOfStream: number
  /** Places of viewers without a token; null for a seeker with a token. */
  readonly anonymous: {
    readonly viewers: number
    readonly viewersOfStream: number
    readonly viewersOfAddress: number
  } | null
}

/** Most places, of everybody and of those without a token; null means no ceiling. */
export interface PlaceCeilings {
  readonly viewers: number | null
  readonly viewersOfStream: number | null
  readonly anonymous: {
    readonly viewers: number | null
    readonly viewersOfStream: number | null
    readonly viewersOfAddress: number | null
  }
}

/**
 * Counts the places of viewers, and decides which give way where there are too many: unused places, those without a
 * token before those with one, and among these the oldest of the holder that has most. A seeker without a token takes
 * nothing from a holder with a token. A change or a count looks only at the few scopes of one place.
 */
export class ViewerPlaces {
  /** Number of places by scope: a tenant, one of its streams, the anonymous places of both, and those of an address. */
  readonly #counts = new Map<string, number>()
  /** Unused places by scope, anonymous ones apart from others. */
  readonly #unused = new Map<string, UnusedPlaces>()

  /** Takes up an unused place. */
  add(place: Place): void {
    this.#count(place, 1)
    this.left(place)
  }

  /** Nobody uses the place any more, or yet. */
  left(place: Place): void {
    for (const scope of unusedScopes(place)) {
      const unused = this.#unused.get(scope) ?? new UnusedPlaces()
      this.#unused.set(scope, unused)
      unused.add(place)
    }
  }

  /** The place is in use. */
  used(place: Place): void {
    for (const scope of unusedScopes(place)) {
      const unused = this.#unused.get(scope)
      unused?.delete(place)
      if (unused?.size === 0) this.#unused.delete(scope)
    }
  }

  /** Gives a place back. */
  remove(place: Place): void {
    this.#count(place, -1)
    this.used(place)
  }

  /** Number of places of a tenant, or of one of its streams. */
  countOf(tenantId: string, streamId?: string): number {
    return this.#at(streamId === undefined ? tenantId : streamOf({ tenantId, streamId }))
  }

  taken(seeker: Seeker): PlacesTaken {
    const { tenantId, holder } = seeker
    const stay = (scope: string, yielding: readonly string[] = [scope]) =>
      this.#at(scope) - yielding.reduce((sum, each) => sum + (this.#unused.get(each)?.size ?? 0), 0)
    const stream = streamOf(seeker)
    return {
      viewers: stay(tenantId, yieldingTo(holder, tenantId)),
      viewersOfStream: stay(stream, yieldingTo(holder, stream)),
      anonymous: holder.anonymous
        ? {
            viewers: stay(anonymousIn(tenantId)),
            viewersOfStream: stay(anonymousIn(stream)),
            viewersOfAddress: stay(addressIn(seeker)),
          }
        : null,
    }
  }

  /** The contract that gives way to make room for a seeker; undefined where there is room, or none gives way. */
  givingWay(seeker: Seeker, { anonymous, ...ceilings }: PlaceCeilings): string | undefined {
    const { tenantId, holder } = seeker
    const stream = streamOf(seeker)
    const isFull = (scope: string, most: number | null) => most !== null && this.#at(scope) >= most
    const yielding = [
      ...(holder.anonymous && isFull(addressIn(seeker), anonymous.viewersOfAddress)
        ? [addressIn(seeker)]
        : []),
      ...(holder.anonymous && isFull(anonymousIn(stream), anonymous.viewersOfStream)
        ? [anonymousIn(stream)]
        : []),
      ...(holder.anonymous && isFull(anonymousIn(tenantId), anonymous.viewers)
        ? [anonymousIn(tenantId)]
        : []),
      ...(isFull(stream, ceilings.viewersOfStream) ? yieldingTo(holder, stream) : []),
      ...(isFull(tenantId, ceilings.viewers) ? yieldingTo(holder, tenantId) : []),
    ]
    return yielding.map((scope) => this.#unused.get(scope)?.first()).find((found) => found !== undefined)
  }

  /** Whether one more place is one too many. */
  isFull({ tenantId, streamId, holder }: Seeker, { anonymous, ...ceilings }: PlaceCeilings): boolean {
    const isFull = (scope: string, most: number | null) => most !== null && this.#at(scope) >= most
    const stream = streamOf({ tenantId, streamId })
    return (
      isFull(tenantId, ceilings.viewers) ||
      isFull(stream, ceilings.viewersOfStream) ||
      (holder.anonymous &&
        (isFull(addressIn({ tenantId, holder }), anonymous.viewersOfAddress) ||
          isFull(anonymousIn(tenantId), anonymous.viewers) ||
          isFull(anonymousIn(stream), anonymous.viewersOfStream)))
    )
  }

  #at(scope: string): number {
    return this.#counts.get(scope) ?? 0
  }

  #count(place: Place, by: number): void {
    const { tenantId, holder } = place
    const stream = streamOf(place)
    const anonymous = holder.anonymous ? [anonymousIn(tenantId), anonymousIn(stream), addressIn(place)] : []
    for (const scope of [tenantId, stream, ...anonymous]) {
      const count = this.#at(scope) + by
      if (count === 0) this.#counts.delete(scope)
      else this.#counts.set(scope, count)
    }
  }
}

/** Unused places of one scope by holder, oldest first. */
class UnusedPlaces {
  readonly #byHolder = new Map<string, Set<string>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add({ contractId, holder }: Place): void {
    const own = this.#byHolder.get(holder.name) ?? new Set()
    this.#byHolder.set(holder.name, own)
    if (own.has(contractId)) return
    own.add(contractId)
    this.#size += 1
  }

  delete({ contractId, holder }: Place): void {
    const own = this.#byHolder.get(holder.name)
    if (!own?.delete(contractId)) return
    this.#size -= 1
    if (own.size === 0) this.#byHolder.delete(holder.name)
  }

  /** The oldest place of the holder that has most: a holder who asks for many displaces their own. */
  first(): string | undefined {
    let most: Set<string> | undefined
    for (const own of this.#byHolder.values()) if (own.size > (most?.size ?? 0)) most = own
    return most?.values().next().value
  }
}

// Ids hold none of these characters.
const ANONYMOUS = ' anonymous'
const NAMED = ' named'
const ADDRESS = ' address '

/** One text for a stream of a tenant. */
export const streamOf = ({ tenantId, streamId }: Pick<Place, 'tenantId' | 'streamId'>): string =>
  `${tenantId}/${streamId}`
const anonymousIn = (scope: string): string => `${scope}${ANONYMOUS}`
const namedIn = (scope: string): string => `${scope}${NAMED}`
const addressIn = ({ tenantId, holder }: Pick<Place, 'tenantId' | 'holder'>): string =>
  `${tenantId}${ADDRESS}${holder.name}`

/** Scopes whose unused places give way to a seeker, in this order. */
const yieldingTo = ({ anonymous }: PlaceHolder, scope: string): readonly string[] =>
  anonymous ? [anonymousIn(scope)] : [anonymousIn(scope), namedIn(scope)]

function unusedScopes(place: Place): readonly string[] {
  const { tenantId, holder } = place
  const stream = streamOf(place)
  return holder.anonymous
    ? [anonymousIn(tenantId), anonymousIn(stream), addressIn(place)]
    : [namedIn(tenantId), namedIn(stream)]
}
