/** Whose a place is: that of whoever has a token, by its subject, or of an address that many may be behind. */
export interface PlaceHolder {
  /** Without a token. */
  readonly anonymous: boolean
  /** Whose token it is (`ownerOf`), or the address as `addressKey` has it. */
  readonly name: string
}

/** A contract's place among those of its tenant and of its stream. */
export interface Place {
  readonly contractId: string
  readonly tenantId: string
  readonly streamId: string
  readonly holder: PlaceHolder
}

/** Whoever asks for a place, and where. */
export type Seeker = Omit<Place, 'contractId'>

/** Places that would stay, were one more given to a seeker: those that nobody uses yet give way. */
export interface PlacesTaken {
  readonly viewers: number
  readonly viewersOfStream: number
  /** Of those without a token; null for a seeker that has one. */
  readonly anonymous: {
    readonly viewers: number
    readonly viewersOfStream: number
    readonly viewersOfAddress: number
  } | null
}

/** Most places there may be, of everybody and of those without a token; null has no ceiling. */
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
 * Counts the places of viewers, and knows which of them give way where there are too many: those that nobody uses yet,
 * those without a token before those with one, and among them the oldest of whoever has most. Whoever asks without a
 * token takes nothing from who has one. No change and no count looks at more than a place's own few scopes.
 */
export class ViewerPlaces {
  /** Places by scope: a tenant, one of its streams, and of those the anonymous ones, and those of an address. */
  readonly #counts = new Map<string, number>()
  /** Unused places by scope, anonymous ones and others apart. */
  readonly #unused = new Map<string, UnusedPlaces>()

  /** Takes up a place that is not used yet. */
  add(place: Place): void {
    this.#count(place, 1)
    this.left(place)
  }

  /** Nobody uses a place any more, or yet. */
  left(place: Place): void {
    for (const scope of unusedScopes(place)) {
      const unused = this.#unused.get(scope) ?? new UnusedPlaces()
      this.#unused.set(scope, unused)
      unused.add(place)
    }
  }

  /** A place is in use. */
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

  /** How many places a tenant, or one of its streams, has given. */
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

  /** The contract that gives way so that a seeker finds room; undefined where there is room, or none gives way. */
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

/** Unused places of one scope, by who holds them, oldest first. */
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

  /** The oldest of whoever has most: who asks for many displaces their own. */
  first(): string | undefined {
    let most: Set<string> | undefined
    for (const own of this.#byHolder.values()) if (own.size > (most?.size ?? 0)) most = own
    return most?.values().next().value
  }
}

// Ids hold none of these.
const ANONYMOUS = ' anonymous'
const NAMED = ' named'
const ADDRESS = ' address '

const streamOf = ({ tenantId, streamId }: Pick<Place, 'tenantId' | 'streamId'>): string =>
  `${tenantId}/${streamId}`
const anonymousIn = (scope: string): string => `${scope}${ANONYMOUS}`
const namedIn = (scope: string): string => `${scope}${NAMED}`
const addressIn = ({ tenantId, holder }: Pick<Place, 'tenantId' | 'holder'>): string =>
  `${tenantId}${ADDRESS}${holder.name}`

/** Scopes of unused places that give way to somebody, the first to go first. */
const yieldingTo = ({ anonymous }: PlaceHolder, scope: string): readonly string[] =>
  anonymous ? [anonymousIn(scope)] : [anonymousIn(scope), namedIn(scope)]

function unusedScopes(place: Place): readonly string[] {
  const { tenantId, holder } = place
  const stream = streamOf(place)
  return holder.anonymous
    ? [anonymousIn(tenantId), anonymousIn(stream), addressIn(place)]
    : [namedIn(tenantId), namedIn(stream)]
}
