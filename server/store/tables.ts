/** The tables as queries see them, identical in SQLite and PostgreSQL. `migrations/` makes them. */
export interface Tables {
  lanecast_document: {
    kind: string
    tenant_id: string
    id: string
    version: number
    /** JSON. */
    body: string
    updated_at: number
  }
  lanecast_audit: {
    seq: number
    tenant_id: string
    at: number
    actor: string
    action: string
    object: string
    outcome: string
    /** Canonical JSON. */
    detail: string
    prev_hash: string
    hash: string
  }
  /** One row, with `id` 1. In PostgreSQL the lock on this row makes the hubs write one after the other. */
  lanecast_audit_head: {
    id: number
    seq: number
    hash: string
    key_id: string | null
    seal: string | null
    /** The last record that moved from here to an archive; 0 while none has. */
    start_seq: number
    start_hash: string
    start_seal: string | null
  }
  lanecast_schema: {
    version: number
    applied_at: number
  }
}
