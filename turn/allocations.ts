import { type AddressKey, Endpoint } from '../common/net/endpoint.ts'
import type { TurnLimits } from '../common/wire/turn-ipc.ts'
import type { Allocation, Tenant } from './allocation.ts'
import type { TurnUser } from './credentials.ts'
import { Ceilings } from './rate-bucket.ts'

/** What an allocation is refused for. */
export type Quota = 'user' | 'subject' | 'tenant' | 'address' | 'total'

/** All allocations of the process, with what their users, tenants and addresses have already. */
export class Allocations {
  readonly #limits: TurnLimits
  readonly #ended: (allocation: Allocation) => void
  readonly #all = new Set<Allocation>()
  readonly #byContract = new Map<string, Set<Allocation>>()
  /** By contract: a client gets a new user name with each credential, and as often as it asks. */
  readonly #users = new Map<string, number>()
  readonly #subjects = new Map<string, number>()
  readonly #tenants = new Map<string, Tenant>()
  readonly #addresses = new Map<AddressKey, number>()
  /** Since the process began. */
  begun = 0

  /** @param ended told once of each allocation that is over; its socket is closed */
  constructor(limits: TurnLimits, ended: (allocation: Allocation) => void) {
    this.#limits = limits
    this.#ended = ended
  }

  get size(): number {
    return this.#all.size
  }

  [Symbol.iterator](): Iterator<Allocation> {
    return this.#all.values()
  }

  /** What stands against one more allocation; null where nothing does. */
  refusal(user: TurnUser, client: Endpoint): Quota | null {
    const limits = this.#limits
    const { tenantId } = user
    if ((this.#users.get(contractOf(user)) ?? 0) >= limits.allocations_per_user) return 'user'
    if ((this.#subjects.get(subjectOf(user)) ?? 0) >= limits.allocations_per_subject) return 'subject'
    if ((this.#tenants.get(tenantId)?.allocations ?? 0) >= limits.allocations_per_tenant) return 'tenant'
    if ((this.#addresses.get(ownerOf(client)) ?? 0) >= limits.allocations_per_address) return 'address'
    return this.#all.size >= limits.allocations ? 'total' : null
  }

  /** Ceilings of a new allocation, and its tenant, who counts it from {@link add} on. */
  ceilings(tenantId: string, nowMs: number): { readonly own: Ceilings; readonly tenant: Tenant } {
    const tenant = this.#tenants.get(tenantId) ?? {
      ceilings: new Ceilings(this.#limits.kbps_per_tenant, nowMs),
      allocations: 0,
    }
    return { own: new Ceilings(this.#limits.kbps_per_allocation, nowMs), tenant }
  }

  add(allocation: Allocation): void {
    const { client, user, tenant } = allocation
    client.allocation = allocation
    this.#all.add(allocation)
    this.begun += 1
    const contract = this.#byContract.get(user.contractId) ?? new Set()
    this.#byContract.set(user.contractId, contract.add(allocation))
    tenant.allocations += 1
    this.#tenants.set(user.tenantId, tenant)
    count(this.#users, contractOf(user), 1)
    count(this.#subjects, subjectOf(user), 1)
    count(this.#addresses, ownerOf(client.address), 1)
  }

  /** Ends an allocation and closes its socket. A second time does nothing. */
  end(allocation: Allocation): void {
    if (!this.#all.delete(allocation)) return
    const { client, user, tenant, relay } = allocation
    client.allocation = null
    const contract = this.#byContract.get(user.contractId)
    contract?.delete(allocation)
    if (contract?.size === 0) this.#byContract.delete(user.contractId)
    tenant.allocations -= 1
    if (tenant.allocations === 0) this.#tenants.delete(user.tenantId)
    count(this.#users, contractOf(user), -1)
    count(this.#subjects, subjectOf(user), -1)
    count(this.#addresses, ownerOf(client.address), -1)
    this.#ended(allocation)
    relay[Symbol.dispose]()
  }

  endContract(contractId: string): void {
    for (const allocation of this.#byContract.get(contractId) ?? []) this.end(allocation)
  }

  /** Ends what nobody refreshed. */
  expire(nowMs: number): void {
    for (const allocation of this.#all) if (allocation.expiresMs <= nowMs) this.end(allocation)
  }
}

/** Whose quotas count: a contract has many user names, one for each credential. */
export function contractOf({ tenantId, contractId }: TurnUser): string {
  return `${tenantId}/${contractId}`
}

/** Who holds the contract: nobody gets more of a tenant's share by asking for more contracts. */
export function subjectOf({ tenantId, subject }: TurnUser): string {
  return `${tenantId}/${subject}`
}

/**
 * Who counts as one address: of IPv6 a /64, which is what one subscriber has. Mapped addresses of IPv4 are of one /64, and
 * of many subscribers.
 */
export function ownerOf(client: Endpoint): AddressKey {
  if (client.family === 4) return client.addressKey
  if (client.ip.startsWith('::ffff:')) return Endpoint.from(client.address.subarray(12), 0).addressKey
  return Endpoint.from(Uint8Array.from(client.address).fill(0, 8), 0).addressKey
}

/** Keeps no entry for nothing. */
function count<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  const now = (counts.get(key) ?? 0) + by
  if (now === 0) counts.delete(key)
  else counts.set(key, now)
}
