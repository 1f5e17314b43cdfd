import { SYSTEM_CLOCK } from '../../common/clock.ts'
import type { Logger } from '../../common/logger.ts'
import type { TurnCounters } from '../../common/wire/turn-ipc.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import { addressKey } from '../auth/address-key.ts'
import type { TenantFacts } from '../facts/fact.ts'
import type { Metrics } from '../metrics.ts'
import { HUB_TENANT_ID } from '../store/store.ts'
import type { AlarmBook } from '../topology/alarms.ts'
import type { EmbeddedEvents } from './embedded-relay.ts'

/** A quota that refused nobody for this long is not exhausted any more, ms. */
const QUOTA_CALM_MS = 5000
/** Most tenants whose quotas are watched at once. */
const MOST_TENANTS = 1000

const SERVICE = 'service:turn'

/** Refusals of those who had proved a credential: what their user name says is true. */
const PROVED: ReadonlySet<string> = new Set([
  ...['expired', 'ended', 'wrong_user', 'peer'],
  ...['quota_user', 'quota_subject', 'quota_tenant', 'quota_address', 'quota_total', 'rate'],
])

export interface TurnEventsOptions {
  readonly metrics: Pick<
    Metrics,
    'turnBytes' | 'turnRefused' | 'turnQuotaRefused' | 'turnDropped' | 'turnAllocated' | 'restarts' | 'errors'
  >
  readonly facts: Pick<TenantFacts, 'tell'>
  readonly alarms: Pick<AlarmBook, 'report'>
  /** Puts a record on the audit trail; a flood becomes one record. */
  readonly audit: (draft: AuditDraft) => void
  readonly logger: Logger
  /** The steady clock, Unix ms. */
  readonly now?: () => number
}

const NOTHING: TurnCounters = {
  allocations: 0,
  allocated_total: 0,
  bytes_to_clients: 0,
  bytes_to_peers: 0,
  packets_dropped: 0,
  refused: {},
  quota_refused: { user: 0, subject: 0, tenant: 0, address: 0, total: 0 },
}

/** Turns what the hub's own TURN process tells into counters, log lines, alarms and audit records. */
export class TurnEvents implements EmbeddedEvents {
  readonly #options: TurnEventsOptions
  readonly #logger: Logger
  readonly #now: () => number
  /** When a tenant's quota last refused somebody, and when the relay's own did, by the steady clock. */
  readonly #quotas = new Map<string | null, number>()
  #before = NOTHING
  /** The last fault of this process and those before it, in words. */
  #failure: string | null = null

  constructor(options: TurnEventsOptions) {
    this.#options = options
    this.#logger = options.logger.child({ room: 'turn' })
    this.#now = options.now ?? SYSTEM_CLOCK.steady
  }

  ready(bound: Parameters<EmbeddedEvents['ready']>[0]): void {
    this.#before = NOTHING
    this.#failure = null
    this.#logger.info(bound, 'TURN relay is up')
    this.#options.facts.tell(null, { kind: 'child', subject: SERVICE, died: null })
    this.#unavailable(null)
  }

  state(state: Parameters<EmbeddedEvents['state']>[0]): void {
    const { metrics } = this.#options
    const before = this.#before
    this.#before = state
    metrics.turnAllocated.inc(grown(before.allocated_total, state.allocated_total))
    metrics.turnBytes.inc({ direction: 'to_clients' }, grown(before.bytes_to_clients, state.bytes_to_clients))
    metrics.turnBytes.inc({ direction: 'to_peers' }, grown(before.bytes_to_peers, state.bytes_to_peers))
    metrics.turnDropped.inc(grown(before.packets_dropped, state.packets_dropped))
    for (const [reason, count] of Object.entries(state.refused))
      metrics.turnRefused.inc({ reason }, grown(before.refused[reason] ?? 0, count))
    for (const quota of ['user', 'subject', 'tenant', 'address', 'total'] as const)
      metrics.turnQuotaRefused.inc({ quota }, grown(before.quota_refused[quota], state.quota_refused[quota]))
    if (state.quota_refused.total > before.quota_refused.total) this.#quotas.set(null, this.#now())
    this.#reportQuotas()
  }

  refused({ reason, username_tenant, client, count }: Parameters<EmbeddedEvents['refused']>[0]): void {
    const proved = PROVED.has(reason)
    if (reason === 'quota_tenant' && username_tenant !== null && this.#quotas.size <= MOST_TENANTS)
      this.#quotas.set(username_tenant, this.#now())
    this.#options.audit({
      // Anybody can write any name into a request: only a proved one reaches the tenant's trail.
      tenant_id: proved && username_tenant !== null ? username_tenant : HUB_TENANT_ID,
      at: Date.now(),
      actor: `address:${addressKey(client)}`,
      action: 'turn.refuse',
      object: 'turn',
      outcome: reason,
      detail: { count },
    })
  }

  trouble(...[kind, what, worked]: Parameters<EmbeddedEvents['trouble']>): void {
    const { metrics, facts } = this.#options
    if (kind === 'died') {
      this.#before = NOTHING
      // Where it never worked, it said why.
      if (!worked) return
      metrics.restarts.inc({ service: 'turn' })
      this.#logger.error({ how: what }, 'TURN process died; starting another')
      return facts.tell(null, { kind: 'child', subject: SERVICE, died: what })
    }
    metrics.errors.inc({ stage: 'turn', kind })
    // It is tried again every few seconds, for as long as another program has the port.
    this.#logger[what === this.#failure ? 'debug' : 'error']({ kind }, `TURN relay: ${what}`)
    this.#failure = what
    if (kind === 'failed') this.#unavailable(what)
  }

  #unavailable(why: string | null): void {
    const name = { kind: 'relay_unavailable', tenantId: null, subject: SERVICE } as const
    const message = `the hub's TURN relay can't work and is started again: ${why}`
    this.#options.alarms.report(name, why !== null, message, this.#now())
  }

  #reportQuotas(): void {
    const now = this.#now()
    for (const [tenantId, at] of this.#quotas) {
      const full = now - at < QUOTA_CALM_MS
      const whose = tenantId === null ? 'all allocations' : "the tenant's allocations"
      const name = { kind: 'relay_quota', tenantId, subject: SERVICE } as const
      this.#options.alarms.report(name, full, `${whose} at the hub's TURN relay are taken`, now)
      if (!full) this.#quotas.delete(tenantId)
    }
  }
}

/** A count that went back, as none should, counts as it was. */
const grown = (before: number, after: number) => Math.max(0, after - before)
