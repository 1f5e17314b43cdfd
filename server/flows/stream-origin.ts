import type { Latency } from '../../common/wire/flow-contract.ts'
import { MAX_PROGRAM_DEPTH } from '../../policy/programs/program-graph.ts'
import type { PublisherFlows } from './publisher-flows.ts'

/** What a switch adds, ms. */
const SWITCH_MS = 3

export interface Origins {
  readonly publishers: Pick<PublisherFlows, 'ofStream'>
  /** Streams that show one of several others; left out where there are none. */
  readonly switched?: (
    tenantId: string,
    streamId: string,
  ) => { readonly status: { readonly on_air: string | null } } | undefined
}

/** Where the media of a stream comes from: a publisher by contract, or what a switched stream shows. */
export interface StreamOrigin {
  /** Latency of the way in; null while nobody knows. */
  readonly upstream: Latency | null
}

/** null where nobody publishes the stream and no switch makes it. */
export function originOf(origins: Origins, tenantId: string, streamId: string): StreamOrigin | null {
  return originBehind(origins, tenantId, streamId, MAX_PROGRAM_DEPTH)
}

/** @param depth how many switches may stand one behind the other */
function originBehind(
  origins: Origins,
  tenantId: string,
  streamId: string,
  depth: number,
): StreamOrigin | null {
  const flow = origins.publishers.ofStream(tenantId, streamId)
  if (flow) return { upstream: flow.contract.latency }
  const source = origins.switched?.(tenantId, streamId)
  if (!source) return null
  const { on_air } = source.status
  const shown = on_air === null || depth === 0 ? null : originBehind(origins, tenantId, on_air, depth - 1)
  return { upstream: shown?.upstream ? throughSwitch(shown.upstream) : null }
}

function throughSwitch({ budget_ms, estimate_ms, stages }: Latency): Latency {
  return {
    budget_ms,
    estimate_ms: estimate_ms + SWITCH_MS,
    stages: stages.map((each) => (each.stage === 'forwarding' ? { ...each, ms: each.ms + SWITCH_MS } : each)),
  }
}
