import { MAX_REFUSALS } from '../common/wire/turn-ipc.ts'

export interface RefusalEntry {
  readonly reason: string
  readonly username_tenant: string | null
  readonly client: string
  count: number
}

/** More kinds of refusals in one second than the hub hears of are only counted. */
const MOST_KINDS = 200

/** Refused requests: a count of each reason since the process began, and what the hub hears for its audit trail. */
export class RefusalLog {
  /** Reasons come from our own code alone. */
  readonly counts: Record<string, number> = {}
  readonly #entries = new Map<string, RefusalEntry>()

  count(reason: string): void {
    this.counts[reason] = (this.counts[reason] ?? 0) + 1
  }

  /** Counts a refusal that the hub hears of. */
  note(reason: string, tenant: string | null, client: string): void {
    this.count(reason)
    const key = `${reason} ${tenant} ${client}`
    const known = this.#entries.get(key)
    if (known) known.count += 1
    else if (this.#entries.size < MOST_KINDS)
      this.#entries.set(key, { reason, username_tenant: tenant, client, count: 1 })
  }

  /** What was refused since the last call, the most frequent first. */
  take(): RefusalEntry[] {
    const entries = [...this.#entries.values()].sort((a, b) => b.count - a.count)
    this.#entries.clear()
    return entries.slice(0, MAX_REFUSALS)
  }
}
