import type { Alarm, AlarmKind } from '../../common/wire/alarm.ts'

/** How long a condition must hold before its alarm is raised, and be gone before its alarm is cleared, ms. */
export const ALARM_RULES: Readonly<
  Record<AlarmKind, { readonly raiseAfterMs: number; readonly clearAfterMs: number }>
> = {
  // The evidence of links waits by itself already.
  link_down: { raiseAfterMs: 0, clearAfterMs: 10_000 },
  node_down: { raiseAfterMs: 0, clearAfterMs: 5000 },
  node_config_refused: { raiseAfterMs: 0, clearAfterMs: 0 },
  // Its reports come every ten seconds.
  node_strained: { raiseAfterMs: 20_000, clearAfterMs: 30_000 },
  broadcast_failing: { raiseAfterMs: 5000, clearAfterMs: 5000 },
  clock_lost: { raiseAfterMs: 0, clearAfterMs: 5000 },
  path_flapping: { raiseAfterMs: 0, clearAfterMs: 60_000 },
  oversubscribed_access_point: { raiseAfterMs: 5000, clearAfterMs: 15_000 },
  slo_breach: { raiseAfterMs: 15_000, clearAfterMs: 60_000 },
  input_lost: { raiseAfterMs: 2000, clearAfterMs: 5000 },
  on_standby: { raiseAfterMs: 0, clearAfterMs: 0 },
  // Nobody can tell when it is over but the one who mends the inputs.
  merge_refused: { raiseAfterMs: 0, clearAfterMs: 60_000 },
  service_restarting: { raiseAfterMs: 0, clearAfterMs: 60_000 },
  port_unavailable: { raiseAfterMs: 2000, clearAfterMs: 5000 },
  store_failing: { raiseAfterMs: 2000, clearAfterMs: 5000 },
  stream_without_contract: { raiseAfterMs: 5000, clearAfterMs: 0 },
  media_address_unknown: { raiseAfterMs: 2000, clearAfterMs: 0 },
  // The certificate's own rules say what is a failure.
  certificate_renewal_failing: { raiseAfterMs: 0, clearAfterMs: 0 },
  relay_unavailable: { raiseAfterMs: 0, clearAfterMs: 5000 },
  relay_quota: { raiseAfterMs: 0, clearAfterMs: 60_000 },
}

/** Most conditions watched at once. Further conditions are left out and counted. */
const MAX_CONDITIONS = 10_000

export interface AlarmName {
  readonly kind: AlarmKind
  /** null for conditions of the hub itself. */
  readonly tenantId: string | null
  /** As in the wire's `Alarm`. */
  readonly subject: string
}

export interface AlarmEvents {
  alarmRaised(alarm: Alarm): void
  /** @param why `recovered`, or `gone` where the subject no longer exists */
  alarmCleared(alarm: Alarm, why: 'recovered' | 'gone', afterMs: number): void
}

interface Condition {
  readonly name: AlarmName
  message: string
  holds: boolean
  /** Since when the condition holds, or does not hold. */
  since: number
  raisedAt: number | null
}

/** Alarms that are raised now. Conditions may be reported as often as one likes; only lasting changes become alarms. */
export class AlarmBook {
  readonly #events: AlarmEvents
  readonly #conditions = new Map<string, Condition>()
  #leftOut = 0

  constructor(events: AlarmEvents) {
    this.#events = events
  }

  /** Conditions that found no room. */
  get leftOut(): number {
    return this.#leftOut
  }

  /**
   * Reports a condition.
   * @param message in words, with figures; used only while the condition holds
   */
  report(name: AlarmName, holds: boolean, message: string, nowMs: number): void {
    const key = keyOf(name)
    let condition = this.#conditions.get(key)
    if (!condition) {
      if (!holds) return
      if (this.#conditions.size >= MAX_CONDITIONS) {
        this.#leftOut += 1
        return
      }
      condition = { name, message, holds, since: nowMs, raisedAt: null }
      this.#conditions.set(key, condition)
    }
    if (holds) condition.message = message
    if (condition.holds !== holds) {
      condition.holds = holds
      condition.since = nowMs
    }
    this.#settle(key, condition, nowMs)
  }

  /** Whether an alarm is raised, for conditions with hysteresis. */
  raised(name: AlarmName): boolean {
    return (this.#conditions.get(keyOf(name))?.raisedAt ?? null) !== null
  }

  /** The subject of an alarm no longer exists. */
  gone(name: AlarmName, nowMs: number): void {
    const key = keyOf(name)
    const condition = this.#conditions.get(key)
    if (condition) this.#drop(key, condition, 'gone', nowMs)
  }

  /** Subjects of one kind that are watched. */
  subjects(kind: AlarmKind): AlarmName[] {
    return [...this.#conditions.values()].filter(({ name }) => name.kind === kind).map(({ name }) => name)
  }

  /** Moves on conditions that nobody reports again. */
  sweep(nowMs: number): void {
    for (const [key, condition] of this.#conditions) this.#settle(key, condition, nowMs)
  }

  /** Raised alarms of a tenant, newest first. `null` is the hub's admin, who sees all. */
  list(tenantId: string | null): Alarm[] {
    return [...this.#conditions.values()]
      .filter(({ raisedAt, name }) => raisedAt !== null && (tenantId === null || name.tenantId === tenantId))
      .map(alarmOf)
      .sort((a, b) => b.raised_at - a.raised_at)
  }

  /** How many are raised, by kind. */
  counts(): Map<AlarmKind, number> {
    const counts = new Map<AlarmKind, number>()
    for (const { name, raisedAt } of this.#conditions.values()) {
      if (raisedAt !== null) counts.set(name.kind, (counts.get(name.kind) ?? 0) + 1)
    }
    return counts
  }

  #settle(key: string, condition: Condition, nowMs: number): void {
    const { raiseAfterMs, clearAfterMs } = ALARM_RULES[condition.name.kind]
    const lasted = nowMs - condition.since
    if (condition.holds && condition.raisedAt === null && lasted >= raiseAfterMs) {
      condition.raisedAt = nowMs
      this.#events.alarmRaised(alarmOf(condition))
    } else if (!condition.holds && (condition.raisedAt === null || lasted >= clearAfterMs)) {
      this.#drop(key, condition, 'recovered', nowMs)
    }
  }

  #drop(key: string, condition: Condition, why: 'recovered' | 'gone', nowMs: number): void {
    this.#conditions.delete(key)
    if (condition.raisedAt === null) return
    this.#events.alarmCleared(alarmOf(condition), why, nowMs - condition.raisedAt)
  }
}

const keyOf = ({ kind, tenantId, subject }: AlarmName): string => `${kind} ${tenantId ?? ''} ${subject}`

function alarmOf({ name, message, since, raisedAt }: Condition): Alarm {
  return {
    kind: name.kind,
    tenant_id: name.tenantId,
    subject: name.subject,
    message,
    raised_at: raisedAt ?? since,
  }
}
