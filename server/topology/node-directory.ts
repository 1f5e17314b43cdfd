import { CodedError } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { type NodeEntry, nodeEntrySchema } from '../../common/wire/topology.ts'
import type { Typed, WriteOptions } from '../store/collection.ts'
import { Mirror, type Planned, writePlanned } from '../store/mirror.ts'
import { type DeleteChange, HUB_TENANT_ID, type Store } from '../store/store.ts'
import type { Topology } from './graph.ts'
import { NODE_STATE_KIND, stateIds } from './node-state-key.ts'

/** Most nodes of one tenant: more than any field fleet has, fewer than would slow decisions down. */
export const MAX_NODES_PER_TENANT = 10_000

export interface NodeDirectoryOptions {
  readonly store: Pick<Store, 'get' | 'list' | 'write'>
  readonly topology: Topology
  /** Where several hubs share the database: how often to look for changes by other hubs, ms. */
  readonly refreshMs?: number | undefined
  readonly now: () => number
  readonly logger: Logger
}

/** The nodes and their declarations: durable, and always identical to the live topology. */
export class NodeDirectory implements AsyncDisposable {
  readonly #mirror: Mirror<NodeEntry>
  readonly #store: NodeDirectoryOptions['store']
  readonly #topology: Topology
  readonly #now: () => number
  /** Documents that the topology has taken over, by id. */
  readonly #applied = new Map<string, Typed<NodeEntry>>()
  readonly #perTenant = new Map<string, number>()

  private constructor(mirror: Mirror<NodeEntry>, { store, topology, now }: NodeDirectoryOptions) {
    this.#mirror = mirror
    this.#store = store
    this.#topology = topology
    this.#now = now
    mirror.onChange(() => this.#takeOver())
    this.#takeOver()
  }

  static async open(options: NodeDirectoryOptions): Promise<NodeDirectory> {
    const { store, refreshMs, logger } = options
    const mirror = await Mirror.open({ store, kind: 'node', schema: nodeEntrySchema, refreshMs, logger })
    return new NodeDirectory(mirror, options)
  }

  /** @param tenantId null for the hub's own, shared nodes */
  get(tenantId: string | null, nodeId: string): Typed<NodeEntry> | undefined {
    return this.#mirror.get(documentId(tenantId, nodeId))
  }

  /** @throws CodedError `too_many_nodes` (409), and see Store.write */
  async put(
    tenantId: string | null,
    nodeId: string,
    entry: NodeEntry,
    options: WriteOptions = {},
  ): Promise<void> {
    this.#mayAdd(tenantId, nodeId)
    await this.#mirror.put(tenantId ?? HUB_TENANT_ID, documentId(tenantId, nodeId), entry, options)
  }

  /** @throws CodedError see Store.write */
  async delete(tenantId: string | null, nodeId: string, options: WriteOptions = {}): Promise<void> {
    const plan = this.planDelete(tenantId, nodeId, options.expected_version)
    await writePlanned(this.#store, [plan], await forgetState(this.#store, tenantId, nodeId), options.audit)
  }

  /** As `put`, for `writePlanned`: enrolment writes a node, its certificate and its spent token in one transaction. */
  planPut(tenantId: string | null, nodeId: string, entry: NodeEntry, expectedVersion?: number): Planned {
    this.#mayAdd(tenantId, nodeId)
    return this.#mirror.planPut(
      tenantId ?? HUB_TENANT_ID,
      documentId(tenantId, nodeId),
      entry,
      expectedVersion,
    )
  }

  /** Write this together with `forgetState`. */
  planDelete(tenantId: string | null, nodeId: string, expectedVersion?: number): Planned {
    return this.#mirror.planDelete(tenantId ?? HUB_TENANT_ID, documentId(tenantId, nodeId), expectedVersion)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mirror[Symbol.asyncDispose]()
  }

  #mayAdd(tenantId: string | null, nodeId: string): void {
    if (this.get(tenantId, nodeId)) return
    const count = this.#perTenant.get(tenantId ?? HUB_TENANT_ID) ?? 0
    if (count < MAX_NODES_PER_TENANT) return
    throw new CodedError('too_many_nodes', `the tenant has ${count} nodes, the most there may be`, {
      details: ['remove nodes that are gone'],
    })
  }

  /** Makes the topology equal to the documents. Touches only what changed. */
  #takeOver(): void {
    const nowMs = this.#now()
    const present = new Set<string>()
    for (const document of this.#mirror.values()) {
      present.add(document.id)
      const applied = this.#applied.get(document.id)
      if (applied?.version === document.version && applied.updated_at === document.updated_at) continue
      const { tenantId, nodeId } = ownerOf(document)
      if (applied && isMadeAnew(applied, document)) this.#topology.remove(tenantId, nodeId)
      this.#topology.upsert(tenantId, nodeId, document.value, nowMs)
      if (!applied) this.#count(document.tenant_id, 1)
      this.#applied.set(document.id, document)
    }
    for (const [id, document] of this.#applied) {
      if (present.has(id)) continue
      const { tenantId, nodeId } = ownerOf(document)
      this.#topology.remove(tenantId, nodeId)
      this.#applied.delete(id)
      this.#count(document.tenant_id, -1)
    }
  }

  #count(tenantId: string, by: number): void {
    this.#perTenant.set(tenantId, (this.#perTenant.get(tenantId) ?? 0) + by)
  }
}

/**
 * Forgets what every hub of the database learned of a node, so that a later node of the same name is not judged by it.
 * A running hub forgets by itself when it sees that the node is gone; what the hub writes until then is deleted with
 * that.
 */
export async function forgetState(
  store: Pick<Store, 'list'>,
  tenantId: string | null,
  nodeId: string,
): Promise<DeleteChange[]> {
  const place = { kind: NODE_STATE_KIND, tenant_id: tenantId ?? HUB_TENANT_ID }
  const ids = await stateIds(store, place.tenant_id, nodeId)
  return ids.map((id) => ({ op: 'delete', ...place, id }))
}

/**
 * While a node exists its version only grows, so a lower version means that the node was deleted and made again between
 * two looks. The hub's own time of its own write is a little later than the stored time.
 */
function isMadeAnew(before: Typed<NodeEntry>, now: Typed<NodeEntry>): boolean {
  return (
    now.version < before.version || (now.version === before.version && now.updated_at > before.updated_at)
  )
}

/** Node ids are unique within a tenant; documents of a mirror need ids unique across tenants. */
function documentId(tenantId: string | null, nodeId: string): string {
  return `${tenantId ?? HUB_TENANT_ID}/${nodeId}`
}

function ownerOf({ tenant_id, id }: Pick<Typed<NodeEntry>, 'tenant_id' | 'id'>) {
  return {
    tenantId: tenant_id === HUB_TENANT_ID ? null : tenant_id,
    nodeId: id.slice(id.indexOf('/') + 1),
  }
}
