import { type Clock, SYSTEM_CLOCK } from '../../common/clock.ts'
import { type Batch, FactBuffer } from './fact-buffer.ts'

interface Kinded {
  readonly kind: string
}

/** Something that happened. */
export interface Fact<Body extends Kinded> {
  /** The tenant of the fact; null for a fact of the hub itself. */
  readonly tenantId: string | null
  /** Number of the fact among all facts of its tenant since the hub's start: counts from 1, without gaps. */
  readonly seq: number
  /** Time of the fact, Unix ms. */
  readonly at: number
  readonly body: Body
}

/** Facts that a slow listener missed. */
export interface Missed {
  readonly count: number
  /** `seq` of the first missed fact. */
  readonly from: number
}

export interface Listener<Body extends Kinded, Kind extends Body['kind']> {
  /** Name of the listener in metrics and log lines; there are few names. */
  readonly name: string
  /** Whose facts the listener gets: a tenant's, the hub's own (null), or everybody's (for parts of the hub alone). */
  readonly of: { readonly tenantId: string | null } | 'all'
  readonly kinds: readonly Kind[]
  /** Most facts of each tenant that wait while the listener is busy, 1 or more. A new fact displaces the oldest. */
  readonly capacity: number
  /**
   * Takes facts of one tenant, in their order. If it returns a promise, more facts of that tenant wait until the
   * promise settles. What it throws is counted and logged; the same facts do not come again.
   * @param missed facts that are missing right before the first of these; null where none are
   */
  take(facts: readonly Fact<Extract<Body, { kind: Kind }>>[], missed: Missed | null): void | Promise<void>
}

/** Disposing of it ends the subscription: the listener gets nothing new, and has then taken what waited. */
export interface Subscription extends AsyncDisposable {
  /** Ends the subscription at once: waiting facts are dropped. */
  end(): void
}

export interface FactBusOptions {
  /** A listener is being told that it missed facts. */
  readonly missed: (listener: string, tenantId: string | null, missed: Missed) => void
  /** A listener threw. */
  readonly failed: (listener: string, error: unknown) => void
  readonly clock?: Pick<Clock, 'wall'>
}

interface Ear<Body extends Kinded> {
  readonly name: string
  readonly kinds: ReadonlySet<string>
  readonly capacity: number
  readonly take: (batch: Batch<Fact<Body>>) => void | Promise<void>
  /** By tenant. An entry exists only while facts wait or are being taken. */
  readonly buffers: Map<string | null, Waiting<Body>>
}

interface Waiting<Body extends Kinded> {
  readonly buffer: FactBuffer<Fact<Body>>
  /** Resolves when the listener has taken everything. */
  readonly emptied: Promise<void>
}

/**
 * One source of facts for each tenant, with any number of listeners. To tell a fact takes no waiting: each listener has
 * a bounded buffer for each tenant, which is emptied after the present turn of the event loop. So a listener that is
 * slow, throws or is gone holds up nobody, and a tenant's flood displaces no fact of another tenant.
 */
export class FactBus<Body extends Kinded> {
  readonly #options: FactBusOptions
  readonly #clock: Pick<Clock, 'wall'>
  readonly #seqs = new Map<string | null, number>()
  readonly #toAll = new Set<Ear<Body>>()
  readonly #ofTenant = new Map<string | null, Set<Ear<Body>>>()

  constructor(options: FactBusOptions) {
    this.#options = options
    this.#clock = options.clock ?? SYSTEM_CLOCK
  }

  /** Tells the listeners. Never throws, and calls nobody before it returns. */
  tell(tenantId: string | null, body: Body): void {
    const seq = this.seq(tenantId) + 1
    this.#seqs.set(tenantId, seq)
    const fact = { tenantId, seq, at: this.#clock.wall(), body }
    for (const ear of this.#toAll) this.#give(ear, fact)
    for (const ear of this.#ofTenant.get(tenantId) ?? []) this.#give(ear, fact)
  }

  /** `seq` of the newest fact, 0 before the first. A snapshot taken now includes all facts up to this one. */
  seq(tenantId: string | null): number {
    return this.#seqs.get(tenantId) ?? 0
  }

  /** Subscribes to facts that are told from now on. */
  subscribe<Kind extends Body['kind']>(listener: Listener<Body, Kind>): Subscription {
    const { name, of, kinds, capacity } = listener
    const ear: Ear<Body> = {
      name,
      kinds: new Set(kinds),
      capacity,
      buffers: new Map(),
      // Only facts of the listener's kinds get into its buffers.
      take: ({ items, missed }) =>
        listener.take(items as readonly Fact<Extract<Body, { kind: Kind }>>[], missed),
    }
    const ears = of === 'all' ? this.#toAll : (this.#ofTenant.get(of.tenantId) ?? new Set())
    if (of !== 'all') this.#ofTenant.set(of.tenantId, ears)
    ears.add(ear)
    const close = () => {
      ears.delete(ear)
      if (of !== 'all' && ears.size === 0 && this.#ofTenant.get(of.tenantId) === ears)
        this.#ofTenant.delete(of.tenantId)
    }
    return {
      end() {
        close()
        for (const { buffer } of ear.buffers.values()) buffer.take()
      },
      async [Symbol.asyncDispose]() {
        close()
        await Promise.all(Array.from(ear.buffers.values(), ({ emptied }) => emptied))
      },
    }
  }

  /** Number of waiting facts, by listener. */
  waiting(): Map<string, number> {
    const waiting = new Map<string, number>()
    for (const ear of [this.#toAll, ...this.#ofTenant.values()].flatMap((ears) => [...ears])) {
      let count = waiting.get(ear.name) ?? 0
      for (const { buffer } of ear.buffers.values()) count += buffer.length
      waiting.set(ear.name, count)
    }
    return waiting
  }

  #give(ear: Ear<Body>, fact: Fact<Body>): void {
    if (!ear.kinds.has(fact.body.kind)) return
    const { tenantId } = fact
    const present = ear.buffers.get(tenantId)
    if (present) return present.buffer.add(fact)
    const buffer = new FactBuffer<Fact<Body>>(ear.capacity)
    buffer.add(fact)
    ear.buffers.set(tenantId, { buffer, emptied: this.#empty(ear, tenantId, buffer) })
  }

  async #empty(ear: Ear<Body>, tenantId: string | null, buffer: FactBuffer<Fact<Body>>): Promise<void> {
    // The caller of `tell` goes on first.
    await null
    while (buffer.length > 0) await this.#take(ear, tenantId, buffer.take())
    // In the same turn as the last look, so no fact can come between.
    ear.buffers.delete(tenantId)
  }

  async #take(ear: Ear<Body>, tenantId: string | null, batch: Batch<Fact<Body>>): Promise<void> {
    try {
      if (batch.missed) this.#options.missed(ear.name, tenantId, batch.missed)
      await ear.take(batch)
    } catch (error) {
      this.#options.failed(ear.name, error)
    }
  }
}
