import type { AuditDraft } from './audit-record.ts'

export const AUDIT_BURST_RULES = {
  /** Repetitions are counted for this long and then recorded as one record, ms. */
  windowMs: 60_000,
  /** Most kinds that are counted apart. Beyond, a tenant has one record for each action and outcome. */
  kinds: 1000,
  /** Most kinds of one tenant, so that a tenant with made-up actors leaves room for others. */
  kindsOfTenant: 500,
  /** Most objects, and most actors, that a folded record names. */
  names: 5,
} as const

const SWEEP_MS = 1000
/** The actor of a folded record that several actors share. */
const SEVERAL = 'several'

interface Burst {
  readonly windowFrom: number
  count: number
  /** Time of the first counted decision, Unix ms. */
  since: number
  last: AuditDraft
  readonly objects: Set<string>
  /** Actors of the counted decisions. */
  readonly actors: Set<string>
  /** The tenant to whose kinds this burst counts; null for a shared burst. */
  readonly kindOf: string | null
}

export interface AuditBurstsOptions {
  /** Writes a record to the trail; resolves when the record is durable. */
  readonly write: (draft: AuditDraft) => Promise<void>
  /** A folded record could not be written. The next window tries again. */
  readonly failed: (error: unknown) => void
  /** Monotonic, ms. */
  readonly now?: () => number
}

/**
 * Records of decisions that anybody may bring about as often as they like. The first decision of a kind is recorded at
 * once. Further decisions of that kind within a minute are counted, and the count becomes one record. So a flood of
 * requests makes one record a minute. Decisions are of one kind when the actor and the outcome are the same. The stream
 * of a refusal makes no difference, because the asker chooses its name.
 */
export class AuditBursts implements AsyncDisposable {
  readonly #options: AuditBurstsOptions
  readonly #now: () => number
  readonly #bursts = new Map<string, Burst>()
  /** Number of kinds, by tenant and of all tenants together. */
  readonly #kinds = new Map<string, number>()
  #kindsInAll = 0
  readonly #timer: NodeJS.Timeout

  constructor(options: AuditBurstsOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#timer = setInterval(() => void this.sweep(), SWEEP_MS).unref()
  }

  /**
   * @param object whether the record's object makes a kind of its own; false where the asker made up the object
   * @returns when the record is durable; at once where the decision is only counted
   * @throws CodedError see Store.write
   */
  async note(draft: AuditDraft, object: boolean): Promise<void> {
    const { key, kindOf } = this.#kindOf(draft, object)
    const burst = this.#bursts.get(key)
    if (burst) {
      if (burst.count === 0) burst.since = draft.at
      burst.count += 1
      burst.last = draft
      addName(burst.objects, draft.object)
      addName(burst.actors, draft.actor)
      return
    }
    const begun: Burst = {
      windowFrom: this.#now(),
      count: 0,
      since: draft.at,
      last: draft,
      objects: new Set(),
      actors: new Set(),
      kindOf,
    }
    this.#add(key, begun)
    try {
      await this.#options.write(draft)
    } catch (error) {
      // Nothing of this burst is on record yet: the next decision is the first again.
      if (this.#bursts.get(key) === begun && begun.count === 0) this.#delete(key, begun)
      throw error
    }
  }

  /** Records the counts of windows that are over. Called by its own timer. */
  async sweep(windowMs: number = AUDIT_BURST_RULES.windowMs): Promise<void> {
    const nowMs = this.#now()
    const over = [...this.#bursts].filter(([, { windowFrom }]) => nowMs - windowFrom >= windowMs)
    await Promise.all(
      over.map(async ([key, burst]) => {
        this.#delete(key, burst)
        if (burst.count === 0) return
        const fresh = { objects: new Set<string>(), actors: new Set<string>() }
        const next: Burst = { ...burst, windowFrom: nowMs, count: 0, ...fresh }
        // The burst may go on: the next decision is not a first one.
        this.#add(key, next)
        try {
          await this.#options.write(folded(burst))
        } catch (error) {
          this.#options.failed(error)
          next.count += burst.count
          next.since = burst.since
          for (const each of burst.objects) addName(next.objects, each)
          for (const each of burst.actors) addName(next.actors, each)
        }
      }),
    )
  }

  /** Records the counts so far. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.sweep(Number.NEGATIVE_INFINITY)
  }

  #kindOf({ tenant_id, actor, action, outcome, object }: AuditDraft, byObject: boolean) {
    const key = JSON.stringify([tenant_id, actor, action, outcome, byObject ? object : null])
    const isFull =
      this.#kindsInAll >= AUDIT_BURST_RULES.kinds ||
      (this.#kinds.get(tenant_id) ?? 0) >= AUDIT_BURST_RULES.kindsOfTenant
    if (this.#bursts.has(key) || !isFull) return { key, kindOf: tenant_id }
    return { key: JSON.stringify([tenant_id, null, action, outcome, null]), kindOf: null }
  }

  #add(key: string, burst: Burst): void {
    this.#bursts.set(key, burst)
    this.#countKind(burst, 1)
  }

  #delete(key: string, burst: Burst): void {
    this.#bursts.delete(key)
    this.#countKind(burst, -1)
  }

  #countKind({ kindOf }: Burst, by: number): void {
    if (kindOf === null) return
    this.#kindsInAll += by
    const count = (this.#kinds.get(kindOf) ?? 0) + by
    if (count === 0) this.#kinds.delete(kindOf)
    else this.#kinds.set(kindOf, count)
  }
}

function addName(names: Set<string>, name: string): void {
  if (names.size < AUDIT_BURST_RULES.names) names.add(name)
}

/** One record of all counted decisions. A record of several actors leaves out the detail of the last decision. */
function folded({ count, since, last, objects, actors }: Burst): AuditDraft {
  const alone = actors.size === 1
  return {
    ...last,
    actor: alone ? last.actor : SEVERAL,
    detail: {
      ...(alone ? last.detail : { actors: [...actors] }),
      repeated: count,
      since,
      ...(objects.size > 1 && { objects: [...objects] }),
    },
  }
}
