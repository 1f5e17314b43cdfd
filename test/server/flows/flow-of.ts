import { NO_RELAY_CHOICE } from '../../../common/wire/decision.ts'
import type { LivePublisherFlow } from '../../../server/flows/publisher-flow.ts'

/** A field sender's contract on `cam-1` of tenant `t1` that lasts a minute. */
export function flowOf(
  contract_id: string,
  more: Partial<LivePublisherFlow['contract']> = {},
): LivePublisherFlow {
  return {
    contract: {
      contract_id,
      version: 1,
      tenant_id: 't1',
      stream_id: 'cam-1',
      class: 'focus',
      mode: 'overlay-relay',
      transport: 'rist',
      endpoints: [{ node_id: 'hub', address: '127.0.0.1', port: 9500 }],
      detours: [],
      buffer: { start_ms: 50, min_ms: 50, max_ms: 120, rtt_multiple: 4 },
      pacing: { target_kbps: 3000, max_kbps: 10_000, burst_ms: 5 },
      abr: { min_kbps: 600, start_kbps: 3000, max_kbps: 8000 },
      overlay: { path: ['hub'], edge: 'hub', bindings: [] },
      latency: { budget_ms: 200, estimate_ms: 80, stages: [] },
      reasons: ['because'],
      expires_at: Date.now() + 60_000,
      ...more,
    },
    keys: { passphrase: 'a passphrase of cam-1', aes_bits: 256, username: 'u', password: 'a password' },
    ticket: `ticket of ${contract_id}`,
    owner: 'user:alice',
    node_id: null,
    requested_class: 'focus',
    priority: 100,
    relay: NO_RELAY_CHOICE,
    relay_wish: null,
    mode_wish: null,
    input_rules: null,
    links: [],
    history: { switched_at: null, better_since: null },
    granted_at: 1,
    proof: null,
  }
}
