import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import {
  NO_RELAY_CHOICE,
  type Principal,
  relayChoiceSchema,
  relayWishSchema,
  switchHistorySchema,
} from '../../common/wire/decision.ts'
import {
  type FlowContract,
  type FlowKeys,
  flowContractSchema,
  flowKeysSchema,
  type IceAccess,
  openContractSchema,
} from '../../common/wire/flow-contract.ts'
import { HUB_NODE_ID, nodeIdSchema } from '../../common/wire/ids.ts'
import { streamPrioritySchema } from '../../common/wire/statistics-api.ts'
import { laneRulesSchema } from '../../common/wire/switched-inputs.ts'
import { proofSchema } from './proof.ts'

/** Priority of a stream that has no other. The focused stream of a page comes first in any case. */
export const USUAL_PRIORITY = 100

/** A sender's contract, with everything the hub needs to go on with it. */
const publisherFlowSchema = z.object({
  contract: openContractSchema,
  /** The caller (see `ownerOf`). While the contract runs, nobody else may publish the stream. */
  owner: z.string(),
  node_id: nodeIdSchema.nullable(),
  /** The class that the sender asked for. The contract's class may be lower. */
  requested_class: flowContractSchema.shape.class,
  /** Links of the path, for the next decision. */
  links: z.array(z.string()),
  history: switchHistorySchema,
  /** Relays of a WebRTC publisher. Contracts that are older than this field have none. */
  relay: relayChoiceSchema.default(NO_RELAY_CHOICE),
  /** What the publisher asked of relays; holds for later decisions, too. */
  relay_wish: relayWishSchema.nullable().default(null),
  /** The mode that the publisher demands; holds for later decisions, too. */
  mode_wish: z.literal('deterministic-wired').nullable().default(null),
  granted_at: z.number().int(),
  /** Proof of the last caller; null in contracts that are older than this field. */
  proof: proofSchema.nullable().default(null),
  /** What an input fixes of the rules by which its stream switches; null where it fixes nothing. */
  input_rules: laneRulesSchema.nullable().default(null),
  /** Set by hand; no term of the contract. */
  priority: streamPrioritySchema.shape.priority.default(USUAL_PRIORITY),
})
export type PublisherFlow = z.infer<typeof publisherFlowSchema>

/** What only a contract's holder may know. */
export const flowSecretsSchema = z.object({
  /** null where the transport agrees on its own keys. */
  keys: flowKeysSchema.nullable(),
  /** Lets the contract's publisher in at the hub's doors. */
  ticket: z.string(),
})

/** The stored form: with sealed secrets, and with the id of its hub. */
export const storedPublisherFlowSchema = publisherFlowSchema.extend({
  sealed_keys: z.string(),
  /** Contracts that are older than hub ids belong to the hub with the usual id. */
  hub_id: nodeIdSchema.default(HUB_NODE_ID),
})
export type StoredPublisherFlow = z.infer<typeof storedPublisherFlowSchema>

/** A running flow with its keys; in memory only. */
export interface LivePublisherFlow extends PublisherFlow {
  readonly keys: FlowKeys | null
  readonly ticket: string
}

/** The contract as its holder gets it. @param ice with credentials of this moment */
export function contractOf(
  { contract, keys, ticket }: Pick<LivePublisherFlow, 'contract' | 'keys' | 'ticket'>,
  ice: IceAccess,
): FlowContract {
  const whip_url = contract.transport === 'webrtc' ? `/whip/${contract.stream_id}` : null
  return { ...contract, keys, join: { protoo_url: '/protoo', whip_url, ticket, ...ice } }
}

/** The owner of a contract. The names of users, nodes and the hub itself differ, even where their ids are alike. */
export function ownerOf({ id, tenant_id, node_id }: Pick<Principal, 'id' | 'tenant_id' | 'node_id'>): string {
  if (node_id !== null) return `node:${node_id}`
  return tenant_id === null ? `hub:${id}` : `user:${id}`
}

/** Whether the hub itself asks, for the streams of its configuration. No token can be issued to such a name. */
export function isHubsOwn({ id }: Pick<Principal, 'id'>): boolean {
  return id.startsWith('_')
}

/** Whether two contracts differ in nothing that a sender or viewer would notice. The end of a contract is no term. */
export function sameTerms(
  { contract: one }: LivePublisherFlow,
  { contract: other }: LivePublisherFlow,
): boolean {
  const terms = ({ class: name, mode, endpoints, overlay, pacing, abr, video_codec }: typeof one) => [
    ...[name, mode, endpoints, overlay, pacing, abr, video_codec],
  ]
  return isDeepStrictEqual(terms(one), terms(other))
}
