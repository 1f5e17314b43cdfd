import { CodedError } from '../../common/errors.ts'
import {
  type DecisionRequest,
  decisionRequestSchema,
  type GrantedDecision,
  type Principal,
} from '../../common/wire/decision.ts'
import type { Endpoint, FlowContract } from '../../common/wire/flow-contract.ts'
import type { PublishRequest } from '../../common/wire/flows-api.ts'
import { type Taking, take } from './decision-book.ts'
import { HUB_NODE_ID, newContractId, newFlowKeys, UNKNOWN_SENDER_LINKS } from './hub-node.ts'
import { type LivePublisherFlow, ownerOf } from './publisher-flow.ts'
import { contractOf, type PublisherFlows } from './publisher-flows.ts'
import type { Fixed } from './standing-streams.ts'

/** Where senders reach the hub and which ports are free. */
export interface PublishDoor {
  readonly address: string
  /** Takes ports for a new flow. @throws CodedError `ports_exhausted` (503) */
  takePorts(count: number): number[]
  givePorts(ports: readonly number[]): void
}

export interface PublishDependencies extends Taking {
  readonly publishers: PublisherFlows
  readonly door: PublishDoor
}

/**
 * Grants a sender its contract, or renews the one it has: who asks again for a stream it publishes gets the same
 * contract with a new expiry, so that a sender which lost its answer loses nothing.
 *
 * @param fixed ports and keys of a stream of the configuration, whose sender knows no contract
 * @throws CodedError of the refusal, `stream_taken` (409), `ports_exhausted` (503)
 */
export async function publish(
  deps: PublishDependencies,
  principal: Principal,
  tenantId: string,
  request: PublishRequest,
  fixed?: Fixed,
): Promise<FlowContract> {
  const { publishers, door, now } = deps
  const question = questionOf(principal, tenantId, request)
  const owner = ownerOf(principal)
  const running = publishers.ofStream(tenantId, request.stream_id)
  if (running && running.owner !== owner)
    throw new CodedError('stream_taken', `stream ${request.stream_id} has another publisher`, { status: 409 })
  if (running) {
    const renewed = await publishers.update(running.contract.contract_id, async (before) => {
      const { granted, record } = await take(deps, principal, question, before)
      return { flow: { ...renewal(before, granted), requested_class: request.class }, audit: record }
    })
    return contractOf(renewed)
  }

  const { granted, record } = await take(deps, principal, question, null)
  const contractId = newContractId()
  const keys = fixed?.keys ?? newFlowKeys(contractId, granted.encryption.aes_bits)
  const bindings = granted.overlay.bindings
  const wanted = fixed?.ports ?? (bindings.length || UNKNOWN_SENDER_LINKS)
  const ports = typeof wanted === 'number' ? door.takePorts(wanted) : wanted
  const flow: LivePublisherFlow = {
    contract: {
      ...termsOf(granted),
      contract_id: contractId,
      version: 1,
      tenant_id: tenantId,
      stream_id: request.stream_id,
      endpoints: ports.map(
        (port, index): Endpoint => ({
          node_id: HUB_NODE_ID,
          address: door.address,
          port,
          ...(bindings[index] && { link: bindings[index].link_id }),
        }),
      ),
    },
    keys,
    owner,
    node_id: principal.node_id,
    requested_class: request.class,
    links: granted.path.links,
    history: granted.history,
    granted_at: now(),
  }
  try {
    await publishers.begin(flow, record)
  } catch (error) {
    if (typeof wanted === 'number') door.givePorts(ports)
    throw error
  }
  return contractOf(flow)
}

/** The running flow under a newer decision: its endpoints and keys stay, its version counts up. */
export function renewal(running: LivePublisherFlow, granted: GrantedDecision): LivePublisherFlow {
  return {
    ...running,
    contract: { ...running.contract, ...termsOf(granted), version: running.contract.version + 1 },
    links: granted.path.links,
    history: granted.history,
  }
}

function questionOf(principal: Principal, tenantId: string, request: PublishRequest): DecisionRequest {
  return decisionRequestSchema.parse({
    action: 'publish',
    tenant_id: tenantId,
    stream_id: request.stream_id,
    class: request.class,
    preferred_transports: request.preferred_transports,
    ...(principal.node_id !== null && { node_id: principal.node_id }),
    ...(request.intent !== undefined && { intent: request.intent }),
  })
}

/** What of a decision goes into the contract as it is. */
function termsOf(granted: GrantedDecision) {
  const { mode, transport, buffer, pacing, abr, overlay, latency, reasons, expires_at } = granted
  return { class: granted.class, mode, transport, buffer, pacing, abr, overlay, latency, reasons, expires_at }
}
