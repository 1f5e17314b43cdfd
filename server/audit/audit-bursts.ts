import { HUB_TENANT_ID } from '../store/store.ts'
import type { AuditDraft } from './audit-record.ts'

export const AUDIT_BURST_RULES = {
  /** What repeats is counted for so long and then recorded as one, ms. */
  windowMs: 60_000,
  /** Kinds of repetition that are told apart; what is beyond shares a record for each action and outcome. */
  kinds: 1000,
  /** Objects that a folded record names. */
  objects: 5,
} as const

const SWEEP_MS = 1000

interface Burst {
  readonly windowFrom: number
  count: number
  /** When the first of those that are counted happened, Unix ms. */
  since: number
  last: AuditDraft
  readonly objects: Set<string>
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
    const key = this.#keyOf(draft, object)
    const burst = this.#bursts.get(key)
    if (burst) {
      if (burst.count === 0) burst.since = draft.at
      burst.count += 1
      burst.last = draft
      if (burst.objects.size < AUDIT_BURST_RULES.objects) burst.objects.add(draft.object)
      return
    }
    const begun = {
      windowFrom: this.#now(),
      count: 0,
      since: draft.at,
      last: draft,
      objects: new Set<string>(),
    }
    this.#bursts.set(key, begun)
    try {
      await this.#options.write(draft)
    } catch (error) {
      // Nothing of it is on record yet: the next is the first again.
      if (this.#bursts.get(key) === begun && begun.count === 0) this.#bursts.delete(key)
      throw error
    }
  }

  /** Records what was counted in windows that are over. Called by its own timer. */
  async sweep(windowMs: number = AUDIT_BURST_RULES.windowMs): Promise<void> {
    const nowMs = this.#now()
    const over = [...this.#bursts].filter(([, { windowFrom }]) => nowMs - windowFrom >= windowMs)
    await Promise.all(
      over.map(async ([key, burst]) => {
        this.#bursts.delete(key)
        if (burst.count === 0) return
        const next = { ...burst, windowFrom: nowMs, count: 0, objects: new Set<string>() }
        // The burst may go on: what comes next is no first.
        this.#bursts.set(key, next)
        try {
          await this.#options.write(folded(burst))
        } catch (error) {
          this.#options.failed(error)
          next.count += burst.count
          next.since = burst.since
          for (const each of burst.objects) next.objects.add(each)
        }
      }),
    )
  }

  /** Records what is counted so far. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.sweep(Number.NEGATIVE_INFINITY)
  }

  #keyOf({ tenant_id, actor, action, outcome, object }: AuditDraft, byObject: boolean): string {
    const key = JSON.stringify([tenant_id, actor, action, outcome, byObject ? object : null])
    if (this.#bursts.has(key) || this.#bursts.size < AUDIT_BURST_RULES.kinds) return key
    return JSON.stringify([HUB_TENANT_ID, null, action, outcome, null])
  }
}

function folded({ count, since, last, objects }: Burst): AuditDraft {
  return {
    ...last,
    detail: { ...last.detail, repeated: count, since, ...(objects.size > 1 && { objects: [...objects] }) },
  }
}
