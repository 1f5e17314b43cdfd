import { isIP } from 'node:net'
import { z } from 'zod'
import { contractIdSchema, tenantIdSchema } from './ids.ts'

/** What the hub and its TURN process say to each other over the channel that a supervisor opens. */

/** Longest realm, bytes: with a longer one, the first answer to a client would exceed twice its request. */
export const MAX_REALM_BYTES = 8
/** Most flows that one report has. */
export const MAX_FLOWS = 200
/** Most refusals that the hub hears of in a second. */
export const MAX_REFUSALS = 20

const ip = z.string().refine((text) => isIP(text) !== 0, 'not an IP address')
const port = z.int().min(1).max(65_535)
const count = z.int().min(0)

const cidr = z.string().refine((text) => {
  const [address = '', bits, ...more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}, 'not an IP address or network such as 10.0.0.0/8')

const listenAddress = z.strictObject({ ip, /** 0 for any. */ port: z.int().min(0).max(65_535) })
const boundAddress = z.strictObject({ ip, port })
const listening = {
  udp: z.array(boundAddress).max(64),
  tcp: z.array(boundAddress).max(64),
  tls: z.array(boundAddress).max(64),
}
const certificate = { cert: z.string(), key: z.string() }

export const turnLimitsSchema = z.strictObject({
  /** Allocations of one contract, by whichever of its credentials. */
  allocations_per_user: z.int().min(1),
  /** Allocations by all contracts of one holder in a tenant: the subject of a token, or an address without one. */
  allocations_per_subject: z.int().min(1),
  allocations_per_tenant: z.int().min(1),
  /** Allocations of clients with one IP address; of IPv6, with one /64. */
  allocations_per_address: z.int().min(1),
  allocations: z.int().min(1),
  /** Ceilings of each direction, kb/s; null for none. What exceeds them is dropped. */
  kbps_per_allocation: z.int().min(1).nullable(),
  kbps_per_tenant: z.int().min(1).nullable(),
})
export type TurnLimits = z.infer<typeof turnLimitsSchema>

export const turnPeersSchema = z.strictObject({
  /** The hub's own media addresses: relayed to although they may be private or loopback. */
  own: z.array(ip).max(256),
  /**
   * The UDP ports of media on these addresses, first and last. Relays reach no other port there, whatever else allows the
   * address: a relay's packets come from the machine itself, behind its firewall. Left out where media has any port.
   */
  own_ports: z
    .array(z.tuple([port, port]))
    .max(65_535)
    .optional(),
  /** Networks that may be relayed to besides. */
  allow: z.array(cidr).max(256),
  /** Networks that are never relayed to. These beat `own` and `allow`. */
  deny: z.array(cidr).max(256),
})
export type TurnPeers = z.infer<typeof turnPeersSchema>

export const turnStartSchema = z.strictObject({
  type: z.literal('start'),
  realm: z
    .string()
    .min(1)
    .refine((text) => Buffer.byteLength(text) <= MAX_REALM_BYTES, `longer than ${MAX_REALM_BYTES} bytes`),
  /** Of the credentials, as coturn's `static-auth-secret`. */
  secret: z.string().min(1).max(512),
  listen: z.strictObject({
    udp: z.array(listenAddress).max(64),
    tcp: z.array(listenAddress).max(64),
    tls: z.array(listenAddress).max(64),
  }),
  /** PEM; null where nothing listens for TLS. */
  tls: z.strictObject(certificate).nullable(),
  relay: z.strictObject({
    /** Where relayed ports open. `announced` is what clients are told, where that differs, as behind NAT. */
    addresses: z
      .array(z.strictObject({ ip, announced: ip.nullable() }))
      .min(1)
      .max(64),
    /** The first and the last relayed UDP port. */
    ports: z.tuple([port, port]).refine(([first, last]) => first <= last, 'the first is above the last'),
  }),
  peers: turnPeersSchema,
  limits: turnLimitsSchema,
  /** Contracts that ended, whose credentials may not be expired yet. */
  ended: z.array(contractIdSchema),
})
export type TurnStart = z.infer<typeof turnStartSchema>

export const hubToTurnSchema = z.discriminatedUnion('type', [
  turnStartSchema,
  /** New connections over TLS get this certificate, PEM. */
  z.strictObject({ type: z.literal('certificate'), ...certificate }),
  /** A contract ended: its allocations end, and its credentials admit nobody any more. */
  z.strictObject({ type: z.literal('end'), contract_id: contractIdSchema }),
])
export type HubToTurn = z.infer<typeof hubToTurnSchema>

export const turnProtocolSchema = z.enum(['udp', 'tcp', 'tls'])
export type TurnProtocol = z.infer<typeof turnProtocolSchema>

/** One allocation. */
export const turnFlowSchema = z.strictObject({
  contract_id: contractIdSchema,
  tenant_id: tenantIdSchema,
  protocol: turnProtocolSchema,
  /** `192.0.2.1:50000` or `[2001:db8::1]:50000`. */
  client: z.string(),
  /** Where peers see the client, in the same form. */
  relayed: z.string(),
  /** Relayed from the client to peers, and from peers to the client, since the allocation began. */
  bytes_in: count,
  bytes_out: count,
  /** When this was so, ms since 1970. */
  at: count,
  /** Whether the allocation is over: nothing more is reported of it. */
  ended: z.boolean(),
})
export type TurnFlow = z.infer<typeof turnFlowSchema>

export const turnCountersSchema = z.strictObject({
  /** At present; everything else counts from the start of the process. */
  allocations: count,
  allocated_total: count,
  bytes_to_clients: count,
  bytes_to_peers: count,
  /** Dropped by the rules of UDP: ceilings, full queues, no permission, malformed. */
  packets_dropped: count,
  /** Refused requests by reason, as `refused` names them. */
  refused: z.record(z.string(), count),
  quota_refused: z.strictObject({ user: count, subject: count, tenant: count, address: count, total: count }),
})
export type TurnCounters = z.infer<typeof turnCountersSchema>

/** Where the process takes connections that the hub accepted on the port of HTTPS, and what proves the hub there. */
export const handedSchema = z.strictObject({ port, token: z.string().length(32) })
export type Handed = z.infer<typeof handedSchema>

export const turnToHubSchema = z.discriminatedUnion('type', [
  /** The ports that are open, the real ones where any was asked for. */
  z.strictObject({ type: z.literal('ready'), ...listening, handed: handedSchema.optional() }),
  /** Once a second: a sign of life, with the allocations whose figures changed since. */
  turnCountersSchema.extend({ type: z.literal('state'), flows: z.array(turnFlowSchema).max(MAX_FLOWS) }),
  /** Requests refused in the last second, those of one reason, tenant and client together. */
  z.strictObject({
    type: z.literal('refused'),
    /** A short name such as `credentials`. */
    reason: z.string(),
    /** The tenant that the user name names, which nobody has proved. */
    username_tenant: z.string().max(64).nullable(),
    /** The IP address of the client. */
    client: z.string(),
    count: z.int().min(1),
  }),
  z.strictObject({ type: z.literal('failed'), message: z.string() }),
])
export type TurnToHub = z.infer<typeof turnToHubSchema>
export type TurnReady = Omit<Extract<TurnToHub, { type: 'ready' }>, 'type'>
