import { STREAM_CLASSES, type StreamClass } from '../../common/wire/stream.ts'

/** Why a flow is looked at again, most pressing first. */
export const QOS_CAUSES = [
  'link_down',
  'node_down',
  'clock_lost',
  'slo_breach',
  'budget_exceeded',
  'congestion',
  'oversubscribed',
  'relieved',
  'link_back',
  'better_path',
  'policy_changed',
  'way_changed',
] as const
export type QosCause = (typeof QOS_CAUSES)[number]

const URGENT: ReadonlySet<QosCause> = new Set(['link_down', 'node_down', 'clock_lost'])

export const QUEUE_RULES = {
  /** Wait for more causes of the same kind before a look, ms: links tend to fail together. */
  debounceMs: { urgent: 50, other: 500 },
  /** Shortest time between two looks at one flow, ms. */
  gapMs: { urgent: 250, other: 2000 },
  /** Most looks per second. As many may be caught up at once. */
  perSecond: { urgent: 200, other: 20 },
  /** Looks that run at once. */
  running: 8,
  /** Wait after a failed look, ms; doubled each time up to the longest. */
  retryMs: 1000,
  longestRetryMs: 30_000,
} as const

export interface Request {
  readonly contractId: string
  readonly tenantId: string
  readonly streamClass: StreamClass
}

export interface Due extends Request {
  /** Most pressing first; never empty. */
  readonly causes: readonly QosCause[]
}

interface Entry extends Request {
  readonly causes: Set<QosCause>
  dueAt: number
}

interface Past {
  lookedAt: number
  failures: number
  retryAt: number
}

/**
 * Decides which flow is looked at next. A flow is in the queue once, however much happens to it, so the queue never
 * holds more entries than there are flows. Tenants take turns.
 */
export class TriggerQueue {
  readonly #entries = new Map<string, Entry>()
  readonly #running = new Set<string>()
  readonly #past = new Map<string, Past>()
  readonly #tokens = { urgent: 0, other: 0 }
  #filledAt: number | null = null
  /** The tenant that had the last turn. */
  #lastTenant = ''

  get waiting(): number {
    return this.#entries.size
  }

  get running(): number {
    return this.#running.size
  }

  request({ contractId, tenantId, streamClass }: Request, cause: QosCause, nowMs: number): void {
    const { debounceMs, gapMs } = QUEUE_RULES
    const kind = URGENT.has(cause) ? 'urgent' : 'other'
    const past = this.#past.get(contractId)
    const earliest = Math.max(
      nowMs + debounceMs[kind],
      (past?.lookedAt ?? Number.NEGATIVE_INFINITY) + gapMs[kind],
      past?.retryAt ?? Number.NEGATIVE_INFINITY,
    )
    const entry = this.#entries.get(contractId)
    if (entry) {
      entry.causes.add(cause)
      entry.dueAt = Math.min(entry.dueAt, earliest)
    } else {
      const causes = new Set([cause])
      this.#entries.set(contractId, { contractId, tenantId, streamClass, causes, dueAt: earliest })
    }
  }

  /** The flows to look at now. Answer each with `done`. */
  take(nowMs: number): Due[] {
    this.#fill(nowMs)
    const due = [...this.#entries.values()].filter(
      ({ contractId, dueAt }) => dueAt <= nowMs && !this.#running.has(contractId),
    )
    const taken: Due[] = []
    for (const kind of ['urgent', 'other'] as const) {
      const turns = this.#turns(due.filter(({ causes }) => kindOf(causes) === kind))
      for (const entry of turns) {
        if (this.#tokens[kind] < 1 || this.#running.size >= QUEUE_RULES.running) break
        this.#tokens[kind] -= 1
        this.#entries.delete(entry.contractId)
        this.#running.add(entry.contractId)
        this.#lastTenant = entry.tenantId
        const { contractId, tenantId, streamClass, causes } = entry
        taken.push({
          contractId,
          tenantId,
          streamClass,
          causes: QOS_CAUSES.filter((cause) => causes.has(cause)),
        })
      }
    }
    return taken
  }

  /** A look is over. */
  done(contractId: string, failed: boolean, nowMs: number): void {
    if (!this.#running.delete(contractId)) return
    const failures = failed ? (this.#past.get(contractId)?.failures ?? 0) + 1 : 0
    const waitMs = Math.min(QUEUE_RULES.longestRetryMs, QUEUE_RULES.retryMs * 2 ** Math.min(failures - 1, 10))
    const retryAt = failed ? nowMs + waitMs : Number.NEGATIVE_INFINITY
    this.#past.set(contractId, { lookedAt: nowMs, failures, retryAt })
    const entry = this.#entries.get(contractId)
    if (entry) entry.dueAt = Math.max(entry.dueAt, retryAt, nowMs + QUEUE_RULES.gapMs.urgent)
  }

  /** The flow no longer exists. */
  forget(contractId: string): void {
    this.#entries.delete(contractId)
    this.#running.delete(contractId)
    this.#past.delete(contractId)
  }

  /** One flow of each tenant in turn, beginning after the last served tenant; in a tenant in the order of classes. */
  #turns(entries: readonly Entry[]): Entry[] {
    const byTenant = new Map<string, Entry[]>()
    for (const entry of entries) {
      const lane = byTenant.get(entry.tenantId)
      if (lane) lane.push(entry)
      else byTenant.set(entry.tenantId, [entry])
    }
    const tenants = [...byTenant.keys()].sort()
    const next = tenants.findIndex((tenantId) => tenantId > this.#lastTenant)
    const lanes = [...tenants.slice(Math.max(0, next)), ...tenants.slice(0, Math.max(0, next))].map(
      (tenantId) => (byTenant.get(tenantId) ?? []).sort(inOrder),
    )
    const longest = Math.max(0, ...lanes.map(({ length }) => length))
    return Array.from({ length: longest }, (_, at) => lanes.flatMap((lane) => lane[at] ?? [])).flat()
  }

  #fill(nowMs: number): void {
    const seconds = this.#filledAt === null ? 1 : Math.max(0, nowMs - this.#filledAt) / 1000
    for (const kind of ['urgent', 'other'] as const) {
      const most = QUEUE_RULES.perSecond[kind]
      this.#tokens[kind] = Math.min(most, this.#tokens[kind] + seconds * most)
    }
    this.#filledAt = nowMs
  }
}

function kindOf(causes: ReadonlySet<QosCause>): 'urgent' | 'other' {
  return [...causes].some((cause) => URGENT.has(cause)) ? 'urgent' : 'other'
}

/**
 * After a failure the most important class is repaired first. Where there is too little for all, the least important
 * class gives way first.
 */
function inOrder(a: Entry, b: Entry): number {
  const yields = (entry: Entry) => entry.causes.has('congestion') || entry.causes.has('oversubscribed')
  const rank = (entry: Entry) =>
    (yields(entry) && kindOf(entry.causes) === 'other' ? -1 : 1) * STREAM_CLASSES.indexOf(entry.streamClass)
  return rank(a) - rank(b) || a.dueAt - b.dueAt
}
