import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { type Principal, switchHistorySchema } from '../../common/wire/decision.ts'
import {
  type FlowContract,
  type FlowKeys,
  flowContractSchema,
  flowKeysSchema,
  openContractSchema,
} from '../../common/wire/flow-contract.ts'
import { nodeIdSchema } from '../../common/wire/ids.ts'
import { streamPrioritySchema } from '../../common/wire/statistics-api.ts'
import { HUB_NODE_ID } from './hub-node.ts'
import { proofSchema } from './proof.ts'

/** Of a stream that nobody gave another; the focused one of a page comes first anyway. */
export const USUAL_PRIORITY = 100

/** One sender's contract with what the hub needs to go on with it. */
const publisherFlowSchema = z.object({
  contract: openContractSchema,
  /** Who asked (see `ownerOf`); only they may publish the stream while the contract runs. */
  owner: z.string(),
  node_id: nodeIdSchema.nullable(),
  /** The class that was asked for; the contract's may be less. */
  requested_class: flowContractSchema.shape.class,
  /** Links of the path, for the next decision. */
  links: z.array(z.string()),
  history: switchHistorySchema,
  granted_at: z.number().int(),
  /** Of whoever asked last; null in contracts of before there was this. */
  proof: proofSchema.nullable().default(null),
  /** Set by hand; no term of the contract. */
  priority: streamPrioritySchema.shape.priority.default(USUAL_PRIORITY),
})
export type PublisherFlow = z.infer<typeof publisherFlowSchema>

/** What only its holder may know of a contract. */
export const flowSecretsSchema = z.object({
  /** null where the transport agrees on its own keys. */
  keys: flowKeysSchema.nullable(),
  /** Lets its publisher in at the hub's doors. */
  ticket: z.string(),
})

/** As it is stored: the secrets are sealed, and its hub is named. */
export const storedPublisherFlowSchema = publisherFlowSchema.extend({
  sealed_keys: z.string(),
  /** Contracts of before hubs had ids are those of the hub that has the usual one. */
  hub_id: nodeIdSchema.default(HUB_NODE_ID),
})
export type StoredPublisherFlow = z.infer<typeof storedPublisherFlowSchema>

/** A flow that runs, keys and all; only in memory. */
export interface LivePublisherFlow extends PublisherFlow {
  readonly keys: FlowKeys | null
  readonly ticket: string
}

/** The contract as its holder gets it. */
export function contractOf({
  contract,
  keys,
  ticket,
}: Pick<LivePublisherFlow, 'contract' | 'keys' | 'ticket'>): FlowContract {
  const whip_url = contract.transport === 'webrtc' ? `/whip/${contract.stream_id}` : null
  return { ...contract, keys, join: { protoo_url: '/protoo', whip_url, ticket, ice_servers: [] } }
}

/** Whom a contract belongs to. Users, nodes and the hub's own are told apart: their ids may be alike. */
export function ownerOf({ id, tenant_id, node_id }: Pick<Principal, 'id' | 'tenant_id' | 'node_id'>): string {
  if (node_id !== null) return `node:${node_id}`
  return tenant_id === null ? `hub:${id}` : `user:${id}`
}

/** Whether the hub itself asks, for the streams of its configuration: no token can be issued to a name that begins so. */
export function isHubsOwn({ id }: Pick<Principal, 'id'>): boolean {
  return id.startsWith('_')
}

/** Whether nothing differs that a sender or viewer would notice: a contract's end is no term of it. */
export function sameTerms(
  { contract: one }: LivePublisherFlow,
  { contract: other }: LivePublisherFlow,
): boolean {
  const terms = ({ class: name, mode, endpoints, overlay, pacing, abr }: typeof one) => [
    ...[name, mode, endpoints, overlay, pacing, abr],
  ]
  return isDeepStrictEqual(terms(one), terms(other))
}
