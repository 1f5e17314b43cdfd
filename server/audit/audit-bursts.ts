import type { AuditDraft } from './audit-record.ts'

export const AUDIT_BURST_RULES = {
  /** What repeats is counted for so long and then recorded as one, ms. */
  windowMs: 60_000,
  /** Kinds of repetition that are told apart; what is beyond shares a record of its tenant for each action and outcome. */
  kinds: 1000,
  /** Those of one tenant: whoever makes up actors there leaves others theirs. */
  kindsOfTenant: 500,
  /** Objects, and actors, that a folded record names. */
  names: 5,
} as const

const SWEEP_MS = 1000
/** Stands in a folded record for actors that share it. */
const SEVERAL = 'several'

interface Burst {
  readonly windowFrom: number
  count: number
  /** When the first of those that are counted happened, Unix ms. */
  since: number
  last: AuditDraft
  readonly objects: Set<string>
  /** Those of `count`. */
  readonly actors: Set<string>
  /** The tenant among whose kinds it counts; null for what is shared. */
  readonly kindOf: string | null
}

export interface AuditBurstsOptions {
  /** Puts a record on the trail; resolves when it is durable. */
  readonly write: (draft: AuditDraft) => Promise<void>
  /** A folded record could not be written: it is tried again with the next window. */
  readonly failed: (error: unknown) => void
  /** Monotonic, ms. */
  readonly now?: () => number
}

/**
 * Records of what anybody may bring about as often as they like. The first of a kind is recorded at once; the same again
 * within a minute is counted, and the count recorded as one. So a flood of requests costs a record a minute. The same is
 * what the same actor did with the same outcome; which stream a refusal was about makes no difference, for the asker
 * chooses names.
 */
export class AuditBursts implements AsyncDisposable {
  readonly #options: AuditBurstsOptions
  readonly #now: () => number
  readonly #bursts = new Map<string, Burst>()
  /** How many of them are a tenant's own kinds, and of all tenants together. */
  readonly #kinds = new Map<string, number>()
  #kindsInAll = 0
  readonly #timer: NodeJS.Timeout

  constructor(options: AuditBurstsOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#timer = setInterval(() => void this.sweep(), SWEEP_MS).unref()
  }

  /**
   * @param object whether the record's object tells it from others; false where the asker made it up
   * @returns when the record is durable, or at once where it is counted only
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
      // Nothing of it is on record yet: the next is the first again.
      if (this.#bursts.get(key) === begun && begun.count === 0) this.#delete(key, begun)
      throw error
    }
  }

  /** Records what was counted in windows that are over. Called by its own timer. */
  async sweep(windowMs: number = AUDIT_BURST_RULES.windowMs): Promise<void> {
    const nowMs = this.#now()
    const over = [...this.#bursts].filter(([, { windowFrom }]) => nowMs - windowFrom >= windowMs)
    await Promise.all(
      over.map(async ([key, burst]) => {
        this.#delete(key, burst)
        if (burst.count === 0) return
        const fresh = { objects: new Set<string>(), actors: new Set<string>() }
        const next: Burst = { ...burst, windowFrom: nowMs, count: 0, ...fresh }
        // The burst may go on: what comes next is no first.
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

  /** Records what is counted so far. */
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

/** One record of all that was counted. What the last of several actors was told is not said of the others. */
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
