import { z } from 'zod'
import { flowContractSchema, viaSchema } from '../../common/wire/flow-contract.ts'
import { linkIdSchema } from '../../common/wire/ids.ts'
import { linkArrivalsSchema } from '../../common/wire/link-arrivals.ts'
import { bondReportSchema } from '../bond/bond-report.ts'
import { bondSettingsSchema } from '../bond/bond-terms.ts'
import { tlsIdentitySchema } from '../node/tls-identity.ts'

/*
 * What the agent and its sender process say to each other over the channel that a supervisor opens. Media comes in
 * frames on the process's standard input (`ts-frames.ts`).
 */

/** Counts up. An answer to a number stands for all smaller ones too: a change that waits gives way to the next. */
const number = z.int().min(1)

export const senderCommandSchema = z.discriminatedUnion('type', [
  /** First of all. */
  z.strictObject({
    type: z.literal('start'),
    hub_url: z.url(),
    /** For detours that the hub itself carries. null: the sender has none. */
    identity: tlsIdentitySchema.nullable(),
    null_packet_deletion: z.boolean(),
  }),
  /** The identity is another one: its certificate was renewed. */
  z.strictObject({ type: z.literal('identity'), identity: tlsIdentitySchema.nullable() }),
  /** Send by this contract. Answer: `done` or `refused`. */
  z.strictObject({
    type: z.literal('contract'),
    number,
    contract: flowContractSchema,
    /** The links that may be used; null for all. */
    links: z.array(linkIdSchema).nullable(),
  }),
  /** Send nothing until the next contract. Answer: `done`. */
  z.strictObject({ type: z.literal('stop'), number }),
  /** What the broadcast says beside its contract. */
  z.strictObject({ type: z.literal('settings'), settings: bondSettingsSchema }),
  /** What has arrived at the hub. */
  z.strictObject({ type: z.literal('arrivals'), arrivals: linkArrivalsSchema }),
])
export type SenderCommand = z.output<typeof senderCommandSchema>

const count = z.number().nonnegative()

export const senderReportSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('done'), number }),
  z.object({ type: z.literal('refused'), number, code: z.string(), reason: z.string() }),
  /** The receiver knows the sender on one more link. */
  z.object({ type: z.literal('authenticated') }),
  /** Whether the receiver answers on any link, whenever that changes. At first it does not. */
  z.object({ type: z.literal('carries'), carries: z.boolean() }),
  /** Each second, once per link: `ContractLinkStats`. */
  z.object({
    type: z.literal('stats'),
    link: z.int().min(0),
    via: viaSchema,
    alive: z.boolean(),
    rttMs: count,
    sent: count,
    retransmitted: count,
    bitrateKbps: count,
  }),
  z.object({ type: z.literal('ways'), ways: z.array(z.tuple([z.int().min(0), viaSchema])) }),
  /** The bond's bitrate, the renditions that it has room for, and its links: at once when they get less. */
  z.object({ type: z.literal('bond'), report: bondReportSchema }),
  z.object({ type: z.literal('detour_failed'), via: viaSchema, why: z.string() }),
  /** A line of librist's about a problem, free of secrets. */
  z.object({ type: z.literal('problem'), line: z.string() }),
  /**
   * Twice a second. `waiting_ms`: what the contract's pacing holds back, ms. `late`: writes that were given up for it,
   * since the process began.
   */
  z.object({ type: z.literal('alive'), waiting_ms: count, late: count }),
])
export type SenderReport = z.infer<typeof senderReportSchema>
